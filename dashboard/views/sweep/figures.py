"""A sweep's measures over its axes: the best cell in a sentence, a heat map, lines."""

import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.charts.base import MAX_ROWS
from dashboard.charts.sweep import (
    UNITS,
    Column,
    across_and_lines,
    averaged,
    cell_heat,
    cell_lines,
    plain_value,
)
from dashboard.shell.address import bound
from dashboard.shell.messages import plain
from dashboard.shell.theme import scheduler_color
from dashboard.widgets.axis_fields import NAMES
from dashboard.widgets.figure import figure
from sdlab.experiment.axis import label
from sdlab.sweeping.measures import MORE_IS_BETTER
from sdlab.sweeping.result import SweepResult

OVER = ("seed", "prompt")
"""What is averaged over when the best cell is sought."""
NONE = "none"
LEAST, MOST = "least", "most"


def figures(page: str, result: SweepResult) -> None:
    """Draw the choice of a measure and of axes, the best cell, and the charts.

    Args:
        page: For the widget keys.
        result: Of the sweep.
    """
    measures = [name for name in result.measures if result.table[name].notna().any()]
    axes = [axis.field for axis in result.sweep.axes if len(axis.values) > 1]
    if not measures or not axes:
        return
    first = next((name for name in ("fidelity", "seconds") if name in measures), measures[0])
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        measure = bound().selectbox(
            "Measure",
            measures,
            measures.index(first),
            key=f"{page}.measure",
            format_func=lambda name: UNITS.get(name, name),
            width=230,
        )
        across = bound().selectbox(
            "Across",
            axes,
            _first(result, axes),
            key=f"{page}.across",
            format_func=called,
            width=230,
        )
        others = [NONE, *(name for name in axes if name != across)]
        lines = bound().selectbox(
            "Rows and lines",
            others,
            _second(others),
            key=f"{page}.lines",
            format_func=called,
            width=230,
        )
        own = MOST if measure in MORE_IS_BETTER else LEAST
        best = bound().segmented_control(
            "Best is", [own, LEAST if own == MOST else MOST], key=f"{page}.best_{measure}"
        )
    _say_best(result, measure, best)
    _charts(result, measure, across, "" if lines == NONE else lines)


def called(field: str) -> str:
    """Return what an axis is called on a page."""
    return NAMES.get(field, field.replace("_", " "))


def _first(result: SweepResult, axes: Sequence[str]) -> int:
    """Return which axis goes across: the first of numbers that are no seeds."""
    numbers = [
        name
        for name in axes
        if name != "seed" and pd.api.types.is_numeric_dtype(result.table[name])
    ]
    rest = [name for name in axes if name not in OVER]
    return axes.index((numbers or rest or list(axes))[0])


def _second(others: Sequence[str]) -> int:
    return next((at for at, name in enumerate(others) if name not in (NONE, *OVER)), 0)


def _say_best(result: SweepResult, measure: str, way: str) -> None:
    """Say which combination is best, by how much, and how many others may be as good."""
    over = [name for name in OVER if name in result.axes]
    try:
        said = best_in_words(result, measure, way, over)
    except ValueError as error:  # no run has it
        st.caption(plain(str(error)))
        return
    st.success(said, icon=":material/trophy:")
    if over:
        mean = f"Mean over {' and '.join(map(called, over))}. "
        st.caption(f"{mean}The interval is Student's.")


def best_in_words(result: SweepResult, measure: str, way: str, over: Sequence[str]) -> str:
    """Return which combination is best, by how much, and how many others may be as good.

    Args:
        result: Of the sweep.
        measure: One of its measures.
        way: ``MOST`` or ``LEAST``.
        over: The axes that are averaged over.

    Raises:
        ValueError: If no run has the measure.
    """
    best = result.best(f"{'maximize' if way == MOST else 'minimize'}: {measure}", over)
    cells = result.cells(measure, over)
    by = [name for name in result.axes if name not in over]
    words = " · ".join(label(name, plain_value(best[name])) for name in by) or "all"
    said = f"**{UNITS.get(measure, measure)}: {way} with {plain(words)}**, {best[measure]:.4g}"
    others = len(cells) - 1
    if math.isfinite(best["low"]):
        near = int(((cells["low"] <= best["high"]) & (cells["high"] >= best["low"])).sum()) - 1
        said += f" (95 % interval {best['low']:.3g} to {best['high']:.3g}, {best['runs']} runs)."
        return f"{said} {_luck(near, others)}"
    same = int((cells[measure] == best[measure]).sum()) - 1
    said += f", as have {same} of {others} others" if same else ""
    return f"{said}. One run a cell: nothing is known of luck; sweep over several seeds."


def _luck(near: int, others: int) -> str:
    if not others:
        return ""
    if not near:
        return f"None of the {others} others overlaps with it."
    return f"{near} of {others} others overlap with it, so these may be as good."


def _charts(result: SweepResult, measure: str, across: str, lines: str) -> None:
    over = [name for name in result.axes if name not in (across, lines)]
    cells = result.cells(measure, over)
    if len(cells) > MAX_ROWS:
        st.info(f"{len(cells):,} cells are too many for a chart; choose axes of fewer values.")
        return
    x, value = Column(across, called(across)), Column(measure, UNITS.get(measure, measure))
    series = Column(lines, called(lines)) if lines else None
    drawn, frame = across_and_lines(cells, across, lines)
    mean = averaged(list(map(called, over)))
    colors = None
    if lines == "solver":
        colors = {name: scheduler_color(name) for name in dict.fromkeys(drawn[lines])}
    places = st.columns(2) if series else [st.container()]
    with places[0]:
        figure(cell_lines(frame, x, value, series, colors), f"{len(cells)} cells.{mean}")
    if series is not None:
        with places[1]:
            figure(cell_heat(drawn, x, series, value), f"The same as a map.{mean}")
