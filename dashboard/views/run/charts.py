"""The charts of a run, in groups, all against the one axis that is chosen above them."""

from collections.abc import Callable

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


@st.fragment
def chart_panel(steps: pd.DataFrame, channels: pd.DataFrame, solver: str) -> None:
    """Draw all charts of a run; choosing another axis redraws only them.

    Args:
        steps: The run's steps table.
        channels: Its channels table; empty if no statistics were recorded.
        solver: Whose colour its noise level has.
    """
    every = _stride(max(len(steps), len(channels)))
    if every > 1:
        steps, channels = (_thinned(frame, every) for frame in (steps, channels))
        st.caption(f"One evaluation in {every} is drawn; the tables below have all of them.")
    axes = axes_of(steps)
    if "flow_time" in axes and not channels.empty:
        channels = with_time(channels)
    with st.container(horizontal=True, gap="medium"):
        axis = bound().segmented_control("Against", axes, key="run.axis")
        if not channels.empty:
            tensor = bound().segmented_control("Latents of", latents.TENSORS, key="run.tensor")
    color = scheduler_color(solver)
    _group(
        "Noise and time",
        lambda: noise.sigma(steps, axis, color),
        lambda: noise.log_snr(steps, axis, color),
        lambda: timing.evaluation_ms(steps, axis),
    )
    if channels.empty:
        st.caption(NO_STATISTICS)
        return
    _group(
        "Latents",
        lambda: latents.mean(channels, axis, tensor),
        lambda: latents.std(channels, axis, tensor),
        lambda: latents.span(channels, axis, tensor),
    )
    guided = steps["eps_uncond_norm"].notna().any()
    of_guidance = (
        lambda: guidance.eps_norms(steps, axis),
        lambda: guidance.guidance_norm(steps, axis),
        lambda: guidance.cosine(steps, axis),
    )
    _group("Guidance", *(of_guidance if guided else of_guidance[:1]))
    if not guided:
        st.caption(NO_GUIDANCE)
    _group("Path", lambda: path.displacement(steps, axis), lambda: path.angle(steps, axis))


def _stride(rows: int) -> int:
    """Return the least whole number by which to thin so many rows to what a chart can hold."""
    return -(-rows // MAX_ROWS)


def _thinned(frame: pd.DataFrame, every: int) -> pd.DataFrame:
    return frame[frame["evaluation"] % every == 0]


def _group(heading: str, *charts: Callable[[], alt.LayerChart]) -> None:
    st.markdown(f"### {heading}")
    with st.grid(3, min_column_width=290, gap="medium"):
        for make in charts:
            chart = make()
            st.altair_chart(chart, width="stretch", alt=title_of(chart))
