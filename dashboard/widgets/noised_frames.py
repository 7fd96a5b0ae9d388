"""Makes the frames of noised pictures, with their noise levels and likeness; caches each.

A frame depends only on picture, space, view, seed and sigma, so schedules that share a noise level
share its frame, and after a change of one schedule only its new levels are decoded.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st
from PIL import Image, ImageDraw, ImageFont

from dashboard.shell.lab import lab
from dashboard.shell.state import session_id
from dashboard.widgets.pictures import png
from dashboard.widgets.source_picture import ChosenPicture
from dashboard.worker.frames import frame_size

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor

MOST_FRAMES = 26
SHEET_PIXELS = 1_500_000
KEPT_SIDE = 256
_PLAIN = {"trained_betas": None, "rescale_betas_zero_snr": False}
TRAININGS: dict[str, dict[str, Any]] = {
    "as trained": {},
    "scaled linear": {
        **_PLAIN,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
    },
    "linear": {**_PLAIN, "beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02},
    "cosine": {**_PLAIN, "beta_schedule": "squaredcos_cap_v2"},
    "sigmoid": {**_PLAIN, "beta_schedule": "sigmoid", "beta_start": 0.0001, "beta_end": 0.02},
    "zero terminal SNR": {"rescale_betas_zero_snr": True},
    "EDM": {},
    "flow matching": {},
}
OTHER_LAWS = ("EDM", "flow matching")  # no betas, which diffusers' schedulers are made of


@dataclass(frozen=True)
class Way:
    """One schedule: who samples, along which curve, over which training schedule.

    Attributes:
        name: "A" or "B".
        solver: A solver's short name or a diffusers class.
        curve: How sigma falls; None for what the config says.
        curve_options: Its options, by name.
        curve_name: What the curve is called on the page; None where nothing was chosen.
        training: One of ``TRAININGS``.
    """

    name: str
    solver: str
    curve: str | None
    curve_options: tuple[tuple[str, Any], ...]
    curve_name: str | None
    training: str

    @property
    def label(self) -> str:
        """What it is called on charts."""
        own = [self.curve_name, None if self.training == "as trained" else self.training]
        return f"{self.name}: " + ", ".join([self.solver, *filter(None, own)])


@dataclass(frozen=True)
class Darkroom:
    """What decides a frame besides its noise level.

    Attributes:
        space: "latents" or "pixels".
        view: "vp" or "ve".
        seed: Of the noise.
        decoded: Whether latents go through the VAE, or a linear map.
        model: The hash of the model whose VAE it is.
    """

    space: str
    view: str
    seed: int
    decoded: bool
    model: str


@dataclass(frozen=True)
class Frame:
    """One noised picture, as shown, and its likeness to the picture in dB."""

    rgb: bytes
    size: tuple[int, int]
    psnr_db: float

    def image(self) -> Image.Image:
        """Return it as a PIL image."""
        return Image.frombytes("RGB", self.size, self.rgb)


@st.cache_data(max_entries=200, show_spinner=False)
def levels(way: Way, num_steps: int, config: dict[str, Any]) -> "pd.DataFrame":
    """Return the noise levels that a way visits; see ``sdlab.latents.noised.visited``.

    Raises:
        ValueError: If solver, curve, training schedule and steps do not go together.
    """
    import sdlab
    from sdlab.latents.noised import visited
    from sdlab.noise import NoiseSchedule
    from sdlab.solvers.registry import solvers

    changes = TRAININGS[way.training]
    options: dict[str, Any] = {}
    schedule = None
    if way.training in OTHER_LAWS:
        if way.solver not in solvers():
            raise ValueError(
                f"{way.solver} cannot follow {way.training}: it is made of betas, and"
                f" {way.training} has none. Choose a solver of ours, such as euler or ddim."
            )
        edm = way.training == "EDM"
        schedule = NoiseSchedule.edm() if edm else NoiseSchedule.flow_matching()
    if changes.get("rescale_betas_zero_snr") and way.solver not in solvers():
        changes, options = {}, changes  # so that a class that cannot do it says so
    course = sdlab.course(
        way.solver,
        num_steps,
        config={**config, **changes},
        schedule=schedule,
        options=options,
        curve=way.curve,
        curve_options=dict(way.curve_options),
    )
    return visited(course, MOST_FRAMES)


def develop(
    picture: ChosenPicture, image: Image.Image, sigmas: Sequence[float], room: Darkroom
) -> Iterator[tuple[float, Frame]]:
    """Yield each noise level with its frame, those that need no work as quick as that.

    Args:
        picture: What was chosen, for its digest.
        image: The same, fitted to the model.
        sigmas: Noise levels, each once.
        room: The rest.

    Raises:
        SdlabError: If the model has no time or no memory for it.
    """
    import torch

    from sdlab.latents.noised import noised, start_noise, to_pixels

    if room.space == "pixels":
        x0 = to_pixels(image)
    else:
        x0 = torch.from_numpy(_latents(picture.digest, image.size, room.model, image))
    noise = start_noise(tuple(x0.shape), room.seed)

    for sigma in sigmas:

        def draw(sigma: float = sigma) -> Image.Image:
            return _picture(noised(x0, noise, sigma, room.view), room)

        yield sigma, _frame(picture.digest, image.size, sigma, room, draw, image)


@st.cache_data(max_entries=32, show_spinner=False)
def _latents(digest: str, size: tuple[int, int], model: str, _image: Image.Image) -> "np.ndarray":
    from sdlab.latents.image import encode

    return lab().ask(lambda m: encode(m, _image).cpu().numpy(), model, session_id())


@st.cache_data(max_entries=400, show_spinner=False)
def _frame(
    digest: str,
    size: tuple[int, int],
    sigma: float,
    room: Darkroom,
    _draw: Callable[[], Image.Image],
    _image: Image.Image,
) -> Frame:
    import numpy as np

    from sdlab.noise.forward import psnr

    shown = _draw()
    likeness = psnr(np.asarray(_image), np.asarray(shown), peak=255.0)
    if max(shown.size) > KEPT_SIDE:
        shown.thumbnail((KEPT_SIDE, KEPT_SIDE), Image.Resampling.BOX)
    return Frame(shown.tobytes(), shown.size, likeness)


def _picture(x: "Tensor", room: Darkroom) -> Image.Image:
    from sdlab.latents.noised import to_picture

    if room.space == "pixels":
        return to_picture(x)
    if room.decoded:
        return lab().ask(lambda model: model.decode(x), room.model, session_id())
    return lab().ask(lambda model: model.preview(x, model.vae_factor), room.model, session_id())


def sheet(rows: Sequence[Sequence[Frame]]) -> tuple[bytes, tuple[int, int]]:
    """Return all frames on one PNG, a row for each schedule, and the (width, height) of one."""
    count = sum(map(len, rows))
    width, height = rows[0][0].size
    width, height = frame_size(width, height, 1)
    scale = min(1.0, (SHEET_PIXELS / (count * width * height)) ** 0.5)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    canvas = Image.new("RGB", (size[0] * max(map(len, rows)), size[1] * len(rows)))
    for y, row in enumerate(rows):
        for x, frame in enumerate(row):
            small = frame.image()
            if small.size != size:
                small = small.resize(size, Image.Resampling.BOX)
            canvas.paste(small, (x * size[0], y * size[1]))
    return png(canvas), size


def labelled_strip(labels: Sequence[str], tables: Sequence[Any], rows: Any, title: str) -> bytes:
    """Return the strips as a PNG to keep: what each row is, and each frame's step and sigma.

    Args:
        labels: Of the schedules.
        tables: Their noise levels.
        rows: Their frames.
        title: What stands above all.
    """
    font = ImageFont.load_default(size=13)
    width, height = (max(96, side) for side in rows[0][0].size)
    line, gap = 20, 6
    block = line + height + line + gap
    total = len(rows[0]) * (width + gap) + gap, 2 * line + len(rows) * block
    canvas = Image.new("RGB", total, "white")
    pen = ImageDraw.Draw(canvas)
    pen.text((gap, 4), title, "black", font)
    for number, (label, table, row) in enumerate(zip(labels, tables, rows, strict=True)):
        top = line + gap + number * block
        pen.text((gap, top), label, "black", font)
        for x, (frame, step, sigma) in enumerate(
            zip(row, table["step"], table["sigma"], strict=True)
        ):
            left = gap + x * (width + gap)
            canvas.paste(frame.image(), (left, top + line))
            words = f"{step}: sigma {sigma:.3g}"
            pen.text((left, top + line + height + 2), words, "black", font)
    return png(canvas)
