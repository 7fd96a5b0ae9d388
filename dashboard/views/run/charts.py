"""The charts of a run, in tabs, all against the one axis that is chosen above them."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.charts import guidance, latents, noise, path, timing
from dashboard.charts.base import MAX_ROWS, axes_of, title_of, with_time
from dashboard.shell.address import bound
from dashboard.shell.theme import scheduler_color

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
    charts = (
        lambda: noise.sigma(steps, axis, color),
        lambda: noise.log_snr(steps, axis, color),
        lambda: timing.evaluation_ms(steps, axis),
    )
    return {"Noise and time": partial(_group, *charts)}


def _statistics(
    steps: pd.DataFrame, channels: pd.DataFrame, axis: str, tensor: str
) -> dict[str, Draw]:
    of_latents = (
        lambda: latents.mean(channels, axis, tensor),
        lambda: latents.std(channels, axis, tensor),
        lambda: latents.span(channels, axis, tensor),
    )
    of_guidance = (
        lambda: guidance.eps_norms(steps, axis),
        lambda: guidance.guidance_norm(steps, axis),
        lambda: guidance.cosine(steps, axis),
    )
    of_path = lambda: path.displacement(steps, axis), lambda: path.angle(steps, axis)

    def draw_guidance() -> None:
        guided = steps["eps_uncond_norm"].notna().any()
        _group(*(of_guidance if guided else of_guidance[:1]))
        if not guided:
            st.caption(NO_GUIDANCE)

    return {
        "Latents": partial(_group, *of_latents),
        "Guidance": draw_guidance,
        "Path": partial(_group, *of_path),
    }


def thinned(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return a table with one evaluation in so many that it has about ``most`` rows."""
    return _every(frame, _stride(len(frame), most))


def _stride(rows: int, most: int) -> int:
    """Return the least whole number by which to thin so many rows to what a chart can hold."""
    return max(1, -(-rows // most))


def _every(frame: pd.DataFrame, every: int) -> pd.DataFrame:
    return frame[frame["evaluation"] % every == 0]


def _group(*charts: Callable[[], alt.LayerChart]) -> None:
    with st.grid(3, min_column_width=290, gap="medium"):
        for make in charts:
            chart = make()
            st.altair_chart(chart, width="stretch", alt=title_of(chart))
