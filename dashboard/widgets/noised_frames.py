"""Makes the frames of noised pictures, with their noise levels and likeness; caches each.

A frame depends only on picture, space, view, seed and sigma, so schedules that share a noise level
share its frame, and after a change of one schedule only its new levels are decoded.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

from dashboard.shell.lab import lab
from dashboard.shell.state import session_id
from dashboard.widgets.source_picture import ChosenPicture

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

KEPT_SIDE = 256


@dataclass(frozen=True)
class Darkroom:
    """What decides a frame besides its noise level.

    Attributes:
        space: "latents" or "pixels".
        view: "vp", "ve" or "flow".
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
    return lab().ask(lambda model: model.preview(x), room.model, session_id())
