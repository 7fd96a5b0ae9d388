"""The charts of a run, in tabs, all against the one axis that is chosen above them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.charts import guidance, latents, noise, path, timing
from dashboard.charts.base import MAX_ROWS, axes_of, with_time
from dashboard.shell.address import bound
from dashboard.shell.theme import scheduler_color
from dashboard.views.run import seen
from dashboard.widgets.figure import figure, why
from dashboard.widgets.run_film import say_words

NO_GUIDANCE = (
    "There is no unconditional half to compare with: guidance is off (scale 1 or less), the model "
    "takes its scale as an input, or the halves could not be told apart."
)
NO_STATISTICS = (
    "The record kept no statistics of latents, guidance and path, so these are not drawn."
)


Draw = Callable[[], None]


@st.fragment
def chart_panel(
    steps: pd.DataFrame,
    channels: pd.DataFrame,
    solver: str,
    more: Mapping[str, Draw] = MappingProxyType({}),
) -> None:
    """Draw the charts of a run in tabs; choosing another axis or tab redraws only them.

    Only the tab that is open is sent: a dozen charts and tables take a browser a second.

    Args:
        steps: The run's steps table.
        channels: Its channels table; empty if no statistics were recorded.
        solver: Whose colour its noise level has.
        more: Further tabs, each with what draws it.
    """
    every = _stride(max(len(steps), len(channels)), MAX_ROWS)
    if every > 1:
        steps, channels = (_every(frame, every) for frame in (steps, channels))
        st.caption(f"One evaluation in {every} is drawn; the tables below have all of them.")
    axes = axes_of(steps)
    if "flow_time" in axes and not channels.empty:
        channels = with_time(channels)
    with st.container(horizontal=True, gap="medium"):
        axis = bound().segmented_control("Against", axes, key="run.axis")
        tensor = ""
        if not channels.empty:
            tensor = bound().segmented_control("Latents of", latents.TENSORS, key="run.tensor")
    if tensor:
        say_words(*latents.TENSORS)
    tabs = _noise_and_time(steps, axis, scheduler_color(solver))
    if not channels.empty:
        tabs |= _statistics(steps, channels, axis, tensor)
    tabs |= more
    places = st.tabs(list(tabs), key="run.tab", bind="query-params")
    for place, draw in zip(places, tabs.values(), strict=True):
        if place.open:
            with place:
                draw()
    if channels.empty:
        st.caption(NO_STATISTICS)


def _noise_and_time(steps: pd.DataFrame, axis: str, color: str) -> dict[str, Draw]:
    def draw() -> None:
        _group(
            (lambda: noise.sigma(steps, axis, color), seen.noise_level(steps["sigma"])),
            (lambda: noise.log_snr(steps, axis, color), seen.LOG_SNR),
            (lambda: timing.evaluation_ms(steps, axis), seen.pace(steps["ms"])),
        )
        why(seen.WHY_NOISE, *seen.NOISE)

    return {"Noise and time": draw}


def _statistics(
    steps: pd.DataFrame, channels: pd.DataFrame, axis: str, tensor: str
) -> dict[str, Draw]:
    def draw_latents() -> None:
        _group(
            (lambda: latents.mean(channels, axis, tensor), seen.MEAN[tensor]),
            (lambda: latents.std(channels, axis, tensor), seen.SPREAD[tensor]),
            (lambda: latents.span(channels, axis, tensor), seen.RANGE),
        )
        why(seen.WHY_LATENTS, *seen.LATENTS)

    def draw_guidance() -> None:
        guided = steps["eps_uncond_norm"].notna().any()
        halves = (
            (lambda: guidance.guidance_norm(steps, axis), seen.PUSH),
            (lambda: guidance.cosine(steps, axis), seen.COSINE),
        )
        _group(
            (lambda: guidance.eps_norms(steps, axis), seen.NORMS[bool(guided)]),
            *(halves if guided else ()),
        )
        if not guided:
            st.caption(NO_GUIDANCE)
        why(seen.WHY_GUIDANCE, seen.GUIDANCE)

    def draw_path() -> None:
        _group(
            (lambda: path.displacement(steps, axis), seen.MOVED),
            (lambda: path.angle(steps, axis), seen.TURNED),
        )
        why(seen.WHY_PATH, *seen.PATH)

    return {"Latents": draw_latents, "Guidance": draw_guidance, "Path": draw_path}


def thinned(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return a table with one evaluation in so many that it has about ``most`` rows."""
    return _every(frame, _stride(len(frame), most))


def _stride(rows: int, most: int) -> int:
    """Return the least whole number by which to thin so many rows to what a chart can hold."""
    return max(1, -(-rows // most))


def _every(frame: pd.DataFrame, every: int) -> pd.DataFrame:
    return frame[frame["evaluation"] % every == 0]


def _group(*charts: tuple[Callable[[], alt.LayerChart], str]) -> None:
    """Draw charts side by side, each with what is seen in it."""
    with st.grid(3, min_column_width=290, gap="medium"):
        for make, said in charts:
            with st.container(gap="xsmall"):
                figure(make(), said)
