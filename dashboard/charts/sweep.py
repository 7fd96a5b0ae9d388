"""A sweep's measure over its axes: as a heat map of two, and as lines along one."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import pandas as pd

from dashboard.charts.base import GREY, HEIGHT, layered, legend, require, titled

WRITTEN = 12
"""Values are written into the cells of so many columns."""
UNITS = {
    "nfe": "network evaluations",
    "seconds": "seconds",
    "fidelity": "fidelity (0 to 1)",
    "brightness": "brightness (0 to 1)",
    "contrast": "contrast (0 to 1)",
    "distance": "distance to the converged picture",
}
"""What an axis calls a measure."""
LABEL = 180
_ROW = 30
_AROUND = 110


class Column(NamedTuple):
    """A column of a sweep's cells.

    Attributes:
        name: In the table.
        title: What it is called, with its unit.
    """

    name: str
    title: str


def across_and_lines(cells: pd.DataFrame, across: str, lines: str) -> tuple[pd.DataFrame, ...]:
    """Return cells as a heat map takes them, and as lines do, whose numbers across are numbers.

    Args:
        cells: As for ``cell_heat``, axes of any kind.
        across: The axis across.
        lines: The axis whose values are the lines; "" for none.
    """
    drawn = named(cells, [name for name in (across, lines) if name])
    numbers = pd.api.types.is_numeric_dtype(cells[across])
    return drawn, drawn.assign(**{across: cells[across].astype(float)}) if numbers else drawn


def averaged(over: Sequence[str]) -> str:
    """Return what a chart's cells are means over, in a sentence after a space; "" for nothing."""
    named_axes = ", ".join(name.replace("_", " ") for name in over)
    return f" Mean over {named_axes}; bars are 95 % intervals." if over else ""


def cell_heat(cells: pd.DataFrame, x: Column, y: Column, value: Column) -> alt.LayerChart:
    """Return a measure's means as a heat map, a column for each value of one axis.

    Args:
        cells: A row for each cell, axes as text, in their order; must also hold ``low``, ``high``
            (95 % interval) and ``runs``.
        x: The axis across.
        y: The axis downwards.
        value: The measure.

    Raises:
        ValueError: If a column is missing or there are too many cells.
    """
    title = f"{value.title}, mean of each cell"
    frame = require(cells, [x.name, y.name, value.name, "low", "high", "runs"], title)
    across, down = (list(dict.fromkeys(frame[axis.name])) for axis in (x, y))
    base = alt.Chart(frame).encode(
        x=alt.X(f"{x.name}:N", **_named(x, across)),
        y=alt.Y(f"{y.name}:N", **_named(y, down)),
        tooltip=_tips([x, y], value),
    )
    middle = float(frame[value.name].min() + frame[value.name].max()) / 2
    color = alt.Color(
        f"{value.name}:Q",
        title=None,
        scale=alt.Scale(scheme="viridis"),
        legend=alt.Legend(orient="right", gradientLength=120, format=".3~g"),
    )
    layers = [base.mark_rect().encode(color=color)]
    if len(across) <= WRITTEN:
        ink = alt.when(alt.datum[value.name] > middle).then(alt.value("#111"))
        words = base.mark_text(fontSize=12).encode(text=alt.Text(f"{value.name}:Q", format=".3~g"))
        layers.append(words.encode(color=ink.otherwise(alt.value("#fff"))))
    return titled(layered(*layers), title, max(HEIGHT, _AROUND + _ROW * len(down)))


def cell_lines(
    cells: pd.DataFrame,
    x: Column,
    value: Column,
    series: Column | None = None,
    colors: Mapping[str, str] | None = None,
) -> alt.LayerChart:
    """Return a measure's means along an axis, with their 95 % intervals; a line for each series.

    Args:
        cells: As for ``cell_heat``; numbers along ``x`` make lines, names make points.
        x: The axis across.
        value: The measure.
        series: The axis whose values are the lines.
        colors: The colour of each line, in the legend's order; Altair's own if not given.

    Raises:
        ValueError: If a column is missing or there are too many cells.
    """
    title = f"{value.title} along {x.title}"
    named = [axis.name for axis in (x, series) if axis is not None]
    frame = require(cells, [*named, value.name, "low", "high", "runs"], title)
    numbers = pd.api.types.is_numeric_dtype(frame[x.name])
    scale = alt.Scale(zero=False)
    across = (
        alt.X(f"{x.name}:Q", title=x.title, scale=alt.Scale(zero=False, padding=14))
        if numbers
        else alt.X(f"{x.name}:N", **_named(x, list(dict.fromkeys(frame[x.name]))))
    )
    base = alt.Chart(frame).encode(
        x=across, tooltip=_tips([x, *([series] if series else [])], value), color=alt.value(GREY)
    )
    if series is not None:
        names = list(dict.fromkeys(frame[series.name]))
        own = [colors[name] for name in names] if colors else alt.Undefined
        shown = alt.Scale(domain=names, range=own)
        base = base.encode(
            color=alt.Color(f"{series.name}:N", title=series.title, scale=shown, legend=legend())
        )
    y = alt.Y(f"{value.name}:Q", title=value.title, scale=scale)
    low = alt.Y("low:Q", title=value.title, scale=scale)
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2, opacity=0.5)
    layers = [bars.encode(y=low, y2="high:Q"), base.mark_circle(size=60, opacity=1).encode(y=y)]
    if numbers:
        layers.append(base.mark_line(strokeWidth=2, tooltip=None).encode(y=y))
    return titled(layered(*layers), title, HEIGHT)


def named(cells: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """Return the cells with their axes as text."""
    return cells.assign(**{name: [_text(value) for value in cells[name]] for name in fields})


def _text(value: Any) -> str:
    value = plain_value(value)
    if value is None:
        return "the model's own"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def plain_value(value: Any) -> Any:
    """Return a table's value as Python's own; a missing one is None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _named(axis: Column, order: Sequence[str]) -> dict[str, Any]:
    """Return what an axis of names looks like, in their order."""
    look = alt.Axis(labelLimit=LABEL, labelAngle=0, labelOverlap="greedy")
    return {"title": axis.title, "sort": list(order), "axis": look}


def _tips(axes: Sequence[Column], value: Column) -> list[alt.Tooltip]:
    return [
        *(alt.Tooltip(f"{axis.name}:N", title=axis.title) for axis in axes),
        alt.Tooltip(f"{value.name}:Q", title=value.title, format=".4~g"),
        alt.Tooltip("low:Q", title="95 % interval from", format=".4~g"),
        alt.Tooltip("high:Q", title="to", format=".4~g"),
        alt.Tooltip("runs:Q", title="runs", format="d"),
    ]
