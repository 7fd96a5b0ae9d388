"""Charts of many runs: any column against any other, and one measure of several runs laid over."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from dashboard.charts.base import (
    HEIGHT,
    MAX_ROWS,
    every,
    layered,
    placed,
    require,
    stride,
    value_tooltip,
    where_columns,
    where_tooltips,
    with_time,
    x_axis,
)
from dashboard.charts.compare import titled
from dashboard.charts.many import legend_height, many_lines

POINTS_HEIGHT = 420
MOST_COLOURS = 20


def scatter(runs: pd.DataFrame, x: str, y: str, color: str, titles: Mapping[str, str]) -> alt.Chart:
    """Return runs as points, one column against another.

    Args:
        runs: The table of runs; must hold "run" and the columns named.
        x: The column across; numbers, times or names.
        y: The column upwards.
        color: The column that colours the points; "" for none.
        titles: What columns are called, with their units.

    Raises:
        ValueError: If a column is missing or there are too many rows.
    """
    title = f"{titles[y]} against {titles[x]}"
    named = [name for name in dict.fromkeys((x, y, color)) if name]
    frame = require(runs, list(dict.fromkeys(["run", *named])), title).dropna(subset=[x, y])
    tips = [_tip(frame, name, titles[name]) for name in named]
    chart = alt.Chart(frame).mark_circle(size=60, opacity=0.7).encode(
        x=alt.X(f"{x}:{_kind(frame[x])}", title=titles[x], scale=_scale(frame[x])),
        y=alt.Y(f"{y}:{_kind(frame[y])}", title=titles[y], scale=_scale(frame[y])),
        tooltip=[*tips, alt.Tooltip("run:N", title="run")],
    )  # fmt: skip
    if color:
        few = _kind(frame[color]) != "N" or frame[color].nunique() <= MOST_COLOURS
        legend = (
            alt.Legend(title=titles[color], orient="bottom", columns=2, labelLimit=330)
            if few
            else None
        )
        chart = chart.encode(color=alt.Color(f"{color}:{_kind(frame[color])}", legend=legend))
    return chart.properties(title=titled(title), height=POINTS_HEIGHT)


def overlaid(
    steps: pd.DataFrame, x: str, y: str, title: str, colors: Mapping[str, str]
) -> alt.LayerChart:
    """Return one measure of several runs against one axis, a line for each run.

    Args:
        steps: Their ``steps`` tables, one below the other, with a column "series": the run's name.
        x: One of ``charts.base.FLOW_AXES``.
        y: The measure's column.
        title: What the measure is called, with its unit.
        colors: The colour of each series, in the legend's order.

    Raises:
        ValueError: If a column is missing or there are too many rows.
    """
    frame = require(steps, where_columns("series", y), title).dropna(subset=[y])
    parts = [placed(part) for _, part in frame.groupby("series", sort=False)]
    rows = pd.concat(parts) if parts else frame.assign(at=0.0)
    tips = [alt.Tooltip("series:N", title="run"), value_tooltip(y, title), *where_tooltips(rows)]
    points = alt.Chart(rows).encode(x=x_axis(x), y=alt.Y(f"{y}:Q", title=title), tooltip=tips)
    dashes: dict[str, list[int]] = {name: [1, 0] for name in colors}
    lines = many_lines(points, colors, dashes, order="evaluation")
    return layered(*lines).properties(
        title=titled(f"{title} of each run"), height=HEIGHT + legend_height(colors)
    )


def joined(tables: Mapping[str, pd.DataFrame], most: int = MAX_ROWS) -> pd.DataFrame:
    """Return the ``steps`` tables of several runs, one below the other, with a column "series".

    Args:
        tables: Each run's by the run's name.
        most: Rows; where there are more, one evaluation in so many is kept.
    """
    one_in = stride(sum(map(len, tables.values())), most)
    parts = [every(table, one_in).assign(series=name) for name, table in tables.items()]
    steps = pd.concat(parts, ignore_index=True)
    if all("flow_time" in table for table in tables.values()):
        return with_time(steps)
    return steps.drop(columns="flow_time", errors="ignore")


def _kind(values: "pd.Series") -> str:
    if pd.api.types.is_bool_dtype(values):
        return "N"
    if pd.api.types.is_numeric_dtype(values):
        return "Q"
    return "T" if pd.api.types.is_datetime64_any_dtype(values) else "N"


def _scale(values: "pd.Series") -> alt.Scale:
    """Return a scale over what there is, of names all of them."""
    return alt.Scale(zero=False) if _kind(values) == "Q" else alt.Scale()


def _tip(frame: pd.DataFrame, name: str, title: str) -> alt.Tooltip:
    kind = _kind(frame[name])
    if kind == "Q":
        return alt.Tooltip(f"{name}:Q", title=title, format=".6~g")
    form = "%Y-%m-%d %H:%M" if kind == "T" else alt.Undefined
    return alt.Tooltip(f"{name}:{kind}", title=title, format=form)
