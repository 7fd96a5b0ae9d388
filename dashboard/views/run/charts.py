"""The charts of a run, in tabs, all against the one axis that is chosen above them."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import pandas as pd
import streamlit as st

from dashboard.charts import latents
from dashboard.charts.base import MAX_ROWS, axes_of, every, stride, with_time
from dashboard.charts.of_run import Group, groups
from dashboard.shell.address import bound
from dashboard.shell.theme import scheduler_color
from dashboard.widgets.figure import figure, why
from dashboard.widgets.run_film import say_words

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
    one_in = stride(max(len(steps), len(channels)), MAX_ROWS)
    if one_in > 1:
        steps, channels = (every(frame, one_in) for frame in (steps, channels))
        st.caption(f"One evaluation in {one_in} is drawn; the tables below have all of them.")
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
    found = groups(steps, channels, axis, tensor, scheduler_color(solver))
    tabs: dict[str, Draw] = {name: partial(_draw, group) for name, group in found.items()}
    tabs |= more
    places = st.tabs(list(tabs), key="run.tab", bind="query-params")
    for place, draw in zip(places, tabs.values(), strict=True):
        if place.open:
            with place:
                draw()
    if channels.empty:
        st.caption(NO_STATISTICS)


def _draw(group: Group) -> None:
    """Draw charts side by side, each with what is seen in it, and the theory below them."""
    with st.grid(3, min_column_width=290, gap="medium"):
        for make, said in group.charts:
            with st.container(gap="xsmall"):
                figure(make(), said)
    if group.lacks:
        st.caption(group.lacks)
    why(group.why, *group.equations)
