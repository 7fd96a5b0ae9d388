"""Through a run: x_t, x0_pred and eps_pred at any evaluation, as a film strip and as a film."""

import hashlib
from typing import TYPE_CHECKING, Any

import streamlit as st
from PIL import Image

from dashboard.components.layer_viewer import Layers, Place
from dashboard.shell.address import bound, fill, given
from dashboard.shell.lab import lab
from dashboard.shell.navigation import link_to
from dashboard.shell.routes import frames_url
from dashboard.views.latents import seen
from dashboard.widgets.channel_pictures import channel_grid
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.downloads import file_button
from dashboard.widgets.figure import why
from dashboard.widgets.latent_source import Latents, Source
from dashboard.widgets.latent_statistics import statistics
from dashboard.widgets.pictures import data_url, draw_picture, png
from dashboard.widgets.run_film import MEANINGS, frame_labels, say_words, show_frames, with_frames
from dashboard.widgets.run_stage import offer_decoding
from dashboard.widgets.ticking_panel import ticking_panel
from dashboard.worker.frames import Sheet, SheetPainter
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.preview import LinearPreview
    from sdlab.runs.run import Run
    from sdlab.runs.trace import Trace

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
        with st.container(horizontal=True):
            st.button(
                "Take a stored run",
                key=f"{page}.take_run",
                icon=":material/grid_view:",
                on_click=fill,
                args=({f"{page}.from": "Run"},),
            )
            link_to("experiment", "Make one")
        return
    run = sdlab.open_run(lab().runs / source.run)
    if not {"x_t", "x0_pred"} <= set(run.trace.names()):
        st.info("This run kept no x_t or x0_pred, so its steps cannot be shown.")
        with st.container(horizontal=True):
            link_to("run", "This run", id=source.run)
            link_to("experiment", "Make one that keeps them")
        return
    means = _choices(page, model)
    with st.container(key=f"{page}_film"):
        sheet, address = _sheet(run, means, model)
        facts = run.manifest
        layers = Layers(
            id=f"{run.id} {facts['created']}", subject=run.id, name=run.id, layers=[],
            aspect=(facts["width"], facts["height"]),
            start=Place(given(f"{page}.quantity") or "x0_pred"),
        )  # fmt: skip
        show_frames(page, with_frames(layers, sheet, address, run.steps))
    _downloads(page, run, sheet)
    _one(page, run, means, model)


def _choices(page: str, model: ModelView) -> str:
    ways = _ways(model.hash)
    means: str = bound().segmented_control(
        "Drawn by",
        list(ways),
        default="VAE" if model.decodes_fast else "Linear map",
        key=f"{page}.means",
        help="The linear map from latents to colours is fitted to this model's own decoder.",
    )
    if ways[means]:
        st.caption(ways[means])
    return means


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


def _sheet(run: "Run", means: str, model: ModelView) -> tuple[Sheet, str]:
    """Return the frames of a run and their address: those that its viewer has, or new ones."""
    if means == "VAE":
        there = lab().frames.sheet(run.id)
        if there is not None and there.best:
            return there, frames_url(run.id, f"{there.how} {len(there.webp)}")
        lab().frames.want(run.id)
        if lab().frames.busy_with(run.id):  # something to look at in the meantime
            ticking_panel(lambda: _await_frames(run.id))
        else:
            offer_decoding(run.id, run.manifest)
        means = "Linear map"
    changed = (lab().runs / run.id).stat().st_mtime
    if len(run.trace.kept) > MOST_FRAMES:
        st.caption(f"{MOST_FRAMES} of {len(run.trace.kept)} evaluations, evenly chosen.")
    sheet = _made(run.id, changed, means, model.hash, MOST_FRAMES, run)
    return sheet, data_url(sheet.webp, "webp")


def _await_frames(run: str) -> bool:
    if not lab().frames.busy_with(run):
        return False
    st.caption(":material/hourglass_top: Decoding them for a finer view …")
    return True


@st.cache_data(max_entries=24, show_spinner="Drawing the frames …")
def _made(run: str, changed: float, means: str, model_hash: str, most: int, _run: "Run") -> Sheet:
    facts = _run.manifest
    shrink = min(1.0, SIDE / max(facts["width"], facts["height"]))
    size = round(facts["width"] * shrink), round(facts["height"] * shrink)
    painter = SheetPainter(
        _thinned(_run.trace, most),
        size,
        lambda latents: _drawn([latents], means, model_hash)[0],
        _is_flow(_run),
    )
    for _ in painter.paint():
        pass
    return painter.sheet(means)


def _thinned(trace: "Trace", most: int) -> "Trace":
    """Return a trace with evaluations evenly chosen, both ends among them."""
    from sdlab.runs.trace import Trace

    places = _chosen(len(trace.kept), most)
    tensors = {name: trace.tensor(name)[places] for name in ("x_t", "x0_pred")}
    return Trace([trace.kept[place] for place in places], trace.sigmas, tensors)


def _chosen(count: int, most: int) -> list[int]:
    """Return up to ``most`` of so many places, with both ends."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


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


def _downloads(page: str, run: "Run", sheet: Sheet) -> None:
    from sdlab.latents.film import FILMS

    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = bound().segmented_control(
            "Film of",
            list(MEANINGS),
            default="x0_pred",
            key=f"{page}.quantity",
            help="eps_pred = (x_t sqrt(1 + sigma^2) - x0_pred) / sigma, from what was recorded; "
            "with flow matching (x_t - (1 - t) x0_pred) / t.",
        )
        kind = st.segmented_control(
            "As",
            list(FILMS),
            default="webp",
            required=True,
            key=f"{page}.film_kind",
            format_func=str.upper,
            help="GIF has 256 colours; WebP and MP4 have all. MP4 is H.264.",
        )
        frames = sheet.pictures(name, _chosen(len(sheet.kept), MOST_FRAMES))
        digest = f"{run.id} {name} {hashlib.sha256(sheet.webp).hexdigest()}"
        film, strip = _film_bytes(digest, kind, frames), _strip_bytes(digest, frames)
        file = f"{run.id}-{name}"
        file_button(f"Film ({kind.upper()})", film, f"{file}.{kind}", f"{page}.film_file", "movie")
        file_button("Strip (PNG)", strip, f"{file}.png", f"{page}.strip_file", "image")


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
        with column:
            draw_picture(picture, f"{name} decoded at evaluation {number}")
        column.caption(MEANINGS[name])
    why(seen.WHY_SPLIT, *seen.SPLIT)
    name = bound().segmented_control(
        "Channels of", list(MEANINGS), default="x_t", key=f"{page}.channels_of"
    )
    say_words(*MEANINGS)
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
