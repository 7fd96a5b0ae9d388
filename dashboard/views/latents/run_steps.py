"""Through a run: x_t, x0_pred and eps_pred at any evaluation, as a film strip and as a film."""

import hashlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import streamlit as st
from PIL import Image

from dashboard.components.scrubber import Film, show_film
from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.widgets.channel_pictures import channel_grid
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.downloads import file_button
from dashboard.widgets.latent_source import Latents, Source
from dashboard.widgets.latent_statistics import statistics
from dashboard.widgets.pictures import data_url, png
from dashboard.widgets.run_film import MEANINGS, frame_labels
from dashboard.widgets.ticking_panel import ticking_panel
from dashboard.worker.frames import ROWS
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.preview import LinearPreview
    from sdlab.runs.run import Run

CHUNK = 6  # frames a question to the model, so that runs in flight wait for a moment only
MOST_FRAMES = 120
SIDE = 192


def show(page: str, source: Source, model: ModelView) -> None:
    """Draw the section."""
    import sdlab

    if not source.run:
        st.info(
            "Choose a stored run of this model as the picture: only a run has steps to follow.",
            icon=":material/route:",
        )
        return
    run = sdlab.open_run(lab().runs / source.run)
    if not {"x_t", "x0_pred"} <= set(run.trace.names()):
        st.info("This run kept no x_t or x0_pred, so its steps cannot be shown.")
        return
    name, means = _choices(page, model)
    kept = _kept(run)
    with st.container(key=f"{page}_film"):
        frames = _frames(run, name, means, kept, model)
    sheet = _sheet(frames)
    _film(page, run, name, frames, kept, sheet)
    _downloads(page, run.id, name, frames, hashlib.sha256(sheet).hexdigest())
    _one(page, run, means, model)


def _choices(page: str, model: ModelView) -> tuple[str, str]:
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        name = bound().segmented_control(
            "Show",
            list(MEANINGS),
            default="x0_pred",
            key=f"{page}.quantity",
            help="eps_pred = (x_t sqrt(1 + sigma^2) - x0_pred) / sigma, from what was recorded; "
            "with flow matching (x_t - (1 - t) x0_pred) / t.",
        )
        ways = _ways(model.hash)
        means = bound().segmented_control(
            "Drawn by",
            list(ways),
            default="VAE" if model.decodes_fast else "Linear map",
            key=f"{page}.means",
            help="The linear map from latents to colours is fitted to this model's own decoder.",
        )
    if ways[means]:
        st.caption(ways[means])
    return name, means


@st.cache_data(max_entries=8, show_spinner="Fitting the linear preview …")
def _ways(model_hash: str) -> dict[str, str]:
    """Return the methods of drawing, each with a sentence about it."""

    def facts(model: Any) -> tuple[float, str]:
        return model.preview.r2, model.tiny.folder.name if model.tiny else ""

    r2, tiny = lab().ask(facts, model_hash)
    ways = {
        "VAE": "",
        "Linear map": f"A linear map from latents to colours; it explains {r2:.1%} of the variance "
        "of the decoder's colours (R² on the pictures it was fitted to).",
    }
    if tiny:
        ways["Tiny autoencoder"] = f"The tiny autoencoder in the model's folder {tiny}."
    return ways


def _kept(run: "Run") -> list[int]:
    """Return indices of the trace, thinned evenly to what a strip can show, with both ends."""
    count = len(run.trace.kept)
    if count <= MOST_FRAMES:
        return list(range(count))
    st.caption(f"{MOST_FRAMES} of {count} evaluations, evenly chosen.")
    return sorted({round(i * (count - 1) / (MOST_FRAMES - 1)) for i in range(MOST_FRAMES)})


def _frames(
    run: "Run", name: str, means: str, kept: list[int], model: ModelView
) -> list[Image.Image]:
    if means == "VAE" and name in ROWS:
        if there := _from_sheet(run, name, kept):
            return there
        lab().want_frames(run.id)
        if lab().paints(run.id):  # something to look at in the meantime
            ticking_panel(lambda: _await_frames(run.id))
            means = "Linear map"
    changed = (lab().runs / run.id).stat().st_mtime
    made = _made(run.id, changed, name, means, tuple(kept), model.hash, run)
    return [Image.open(io.BytesIO(data)) for data in made]


def _await_frames(run: str) -> bool:
    if not lab().paints(run):
        return False
    st.caption(":material/hourglass_top: Decoding them for a finer view …")
    return True


def _from_sheet(run: "Run", name: str, kept: list[int]) -> list[Image.Image]:
    """Return the frames that the run's scrubber has decoded already, or none."""
    sheet = lab().sheet(run.id)
    if sheet is None or sheet.how != "decoded":
        return []
    if name not in sheet.names or list(sheet.kept) != run.trace.kept:
        return []
    whole = Image.open(io.BytesIO(sheet.webp)).convert("RGB")
    width, height = sheet.size
    frames = []
    for index in kept:
        left, top = sheet.corner(name, index)
        frames.append(whole.crop((left, top, left + width, top + height)))
    return frames


@st.cache_data(max_entries=24, show_spinner="Drawing the frames …")
def _made(
    run: str, changed: float, name: str, means: str, kept: tuple[int, ...], model_hash: str,
    _run: "Run",
) -> list[bytes]:  # fmt: skip
    from sdlab.latents.film import quantity

    def chunks() -> Iterator[tuple[int, ...]]:
        for start in range(0, len(kept), CHUNK):
            yield kept[start : start + CHUNK]

    frames = []
    for chunk in chunks():
        rows = [quantity(_run.trace, name, index, _is_flow(_run)) for index in chunk]
        frames += _drawn(rows, means, model_hash)
    for frame in frames:
        frame.thumbnail((SIDE, SIDE))
    return [png(frame) for frame in frames]


def _drawn(rows: "list[Tensor]", means: str, model_hash: str) -> list[Image.Image]:
    """Return the pictures of latents; the linear map needs no turn of the worker's."""
    if means == "Linear map":
        return [_preview(model_hash)(x) for x in rows]

    def draw(model: Any) -> list[Image.Image]:
        picture = model.tiny if means == "Tiny autoencoder" else model.decode
        return [picture(x) for x in rows]

    return lab().ask(draw, model_hash)


@st.cache_resource(max_entries=4, show_spinner="Fitting the linear preview …")
def _preview(model_hash: str) -> "LinearPreview":
    return lab().ask(lambda model: model.preview, model_hash)


def _film(
    page: str, run: "Run", name: str, frames: list[Image.Image], kept: list[int], sheet: bytes
) -> None:
    evaluations = [run.trace.kept[index] for index in kept]
    show_film(
        Film(
            id=hashlib.sha256(sheet).hexdigest(),
            subject=f"{page} {run.id}",
            sheet=data_url(sheet),
            size=frames[0].size,
            columns=_columns(frames),
            labels=frame_labels(run.steps, evaluations),
            names=[name],
            captions=[MEANINGS[name]],
            unit="Evaluation",
            marks=[str(k) for k in evaluations],
        ),
        f"{page}.film",
    )


def _columns(frames: list[Image.Image]) -> int:
    return max(1, min(len(frames), 8192 // frames[0].width))


def _sheet(frames: list[Image.Image]) -> bytes:
    from sdlab.latents.film import strip

    return png(strip(frames, _columns(frames), gap=0).convert("RGB"))


def _downloads(page: str, run: str, name: str, frames: list[Image.Image], digest: str) -> None:
    from sdlab.latents.film import FILMS

    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            "Film",
            list(FILMS),
            default="webp",
            required=True,
            key=f"{page}.film_kind",
            format_func=str.upper,
            help="GIF has 256 colours; WebP and MP4 have all. MP4 is H.264.",
        )
        film, strip = _film_bytes(digest, kind, frames), _strip_bytes(digest, frames)
        file_button(
            f"Film ({kind.upper()})", film, f"{run}-{name}.{kind}", f"{page}.film_file", "movie"
        )
        file_button("Strip (PNG)", strip, f"{run}-{name}.png", f"{page}.strip_file", "image")


@st.cache_data(max_entries=16, show_spinner="Making the film …")
def _film_bytes(digest: str, kind: str, _frames: list[Image.Image]) -> bytes:
    from sdlab.latents.film import film

    return film(_frames, kind)


@st.cache_data(max_entries=16, show_spinner=False)
def _strip_bytes(digest: str, _frames: list[Image.Image]) -> bytes:
    from sdlab.latents.film import strip

    return png(strip(_frames, 10))


def _one(page: str, run: "Run", means: str, model: ModelView) -> None:
    st.header("One evaluation", anchor=False)
    labels = list(run.trace.kept)
    number = labels[0]
    if len(labels) > 1:
        number = bound().select_slider(
            "Evaluation", labels, labels[len(labels) // 2], key=f"{page}.evaluation_from_0",
        )  # fmt: skip
    index = labels.index(number)
    st.caption(frame_labels(run.steps, [run.trace.kept[index]])[0])
    quantities = _quantities(run, index)
    shown = _side_by_side(list(quantities.values()), means, model.hash)
    for column, name, picture in zip(st.columns(3), quantities, shown, strict=True):
        column.image(
            picture, output_format="PNG", width="stretch",
            alt=f"{name} decoded at evaluation {number}",
        )  # fmt: skip
        column.caption(MEANINGS[name])
    name = bound().segmented_control(
        "Channels of", list(MEANINGS), default="x_t", key=f"{page}.channels_of"
    )
    channel_grid(quantities[name], f"{name} at evaluation {number}")
    statistics(page, quantities[name])
    st.header("All evaluations", anchor=False)
    csv_table(
        run.channels.drop(columns="run"), f"{run.id}-channels", f"{page}.csv_channels",
        "Mean, spread and range of x_t and x0_pred at every evaluation and channel.",
    )  # fmt: skip


@st.cache_data(max_entries=64, show_spinner="Decoding …")
def _side_by_side(rows: list[Latents], means: str, model_hash: str) -> list[bytes]:
    import torch

    frames = _drawn([torch.from_numpy(x) for x in rows], means, model_hash)
    return [png(frame, side=max(512, *frame.size)) for frame in frames]


def _quantities(run: "Run", index: int) -> dict[str, Latents]:
    from sdlab.latents.film import quantity

    flow = _is_flow(run)
    return {name: quantity(run.trace, name, index, flow).numpy() for name in MEANINGS}


def _is_flow(run: "Run") -> bool:
    return "flow_time" in run.steps.columns
