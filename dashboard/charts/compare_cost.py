"""What accuracy costs: error against evaluations and seconds, and the order of finish."""

from collections.abc import Collection, Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.base import layered, require
from dashboard.charts.compare import AROUND, HEIGHT, SMALLEST, check, doublings, powers, titled
from dashboard.charts.many import legend_height, line_legend, many_lines

COSTS = {
    "nfe": ("network evaluations (log scale)", "Error against evaluations"),
    "seconds": ("seconds a picture (log scale)", "Error against seconds"),
}
_GREY = "#8a90a3"
_GOLD = "#d99a00"
_DISTANCE = "distance to the converged picture (std, log scale)"
_ERROR = "error (std, log scale)"
_ROW = 24
_COLUMNS = (
    "entrant", "budget", "num_steps", "nfe", "seconds", "error", "low", "high", "pictures",
    "floor", "pareto",
)  # fmt: skip


def error_against(
    cost: pd.DataFrame,
    slopes: pd.DataFrame,
    x: str,
    colors: Mapping[str, str],
    dashes: Mapping[str, list[int]],
) -> alt.LayerChart:
    """Return error against cost on log axes, with intervals, fitted slopes and the Pareto front.

    Args:
        cost: The comparison's ``cost``.
        slopes: Its ``slopes``; drawn against evaluations only.
        x: "nfe", with the fits; or "seconds", with the Pareto front.
        colors: The colour of each entrant, in the legend's order.
        dashes: The dash pattern of each entrant.

    Raises:
        ValueError: If the cost is another, or a column is missing.
    """
    check("x", x, COSTS)
    axis, title = COSTS[x]
    rows = _positive(require(cost, _COLUMNS, title).dropna(subset=["error", x]))
    present = {name: colors[name] for name in colors if name in set(rows["entrant"])}
    across, y = doublings(x, axis, rows[x]), _vertical(rows)
    points = alt.Chart(rows).encode(x=across, y=y, tooltip=_tooltips())
    layers = many_lines(points, present, dashes, order="nfe", series="entrant")
    behind: list[alt.Chart | alt.LayerChart]
    behind = [*_floors(rows, y), _bars(rows, across, present)]
    if x == "nfe":
        behind.append(_fits(fit_lines(rows, slopes), across, y, present))
    else:
        behind.append(_front(rows, across, y))
    return layered(*behind, *layers).properties(
        title=titled(title), height=HEIGHT + legend_height(present)
    )


def ranking(
    cost: pd.DataFrame,
    budget: int,
    colors: Mapping[str, str],
    noisy: Collection[str] = (),
    beside: Collection[str] = (),
) -> alt.LayerChart:
    """Return the samplers at one budget in the order of their error, with 95 % intervals.

    Args:
        cost: The comparison's ``cost``.
        budget: Which rows of it.
        colors: The colour of each entrant.
        noisy: Those that draw noise; they come last, hollow.
        beside: Those that cannot be compared fairly; before these, as diamonds.

    Raises:
        ValueError: If a column is missing.
    """
    rows = require(cost, _COLUMNS, "order of finish").dropna(subset=["error"])
    rows = _positive(rows[rows["budget"] == budget])
    kinds = [rows["entrant"].isin(list(noisy)), rows["entrant"].isin(list(beside))]
    rows = rows.assign(kind=np.select(kinds, [2, 1], 0)).sort_values(["kind", "error"])
    names = list(rows["entrant"])
    axis = alt.Axis(labelLimit=230, grid=True, labelOverlap=False, labelFlush=False)
    y = alt.Y("entrant:N", title=None, sort=names, axis=axis)
    x = alt.X(
        "error:Q",
        title=_DISTANCE,
        scale=alt.Scale(type="log", nice=False, padding=14),
        axis=powers(rows["error"]),
    )
    color = _color(colors, names)
    base = alt.Chart(rows).encode(y=y, color=color, tooltip=_tooltips())
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=3, opacity=0.45)
    dots = base.transform_filter("datum.kind == 0").mark_circle(size=110, opacity=1).encode(x=x)
    rings = base.transform_filter("datum.kind == 2").mark_point(size=90, strokeWidth=2.5, opacity=1)
    cared = base.transform_filter("datum.kind == 1").mark_point(
        size=90, strokeWidth=2.5, opacity=1, shape="diamond"
    )
    layers = [
        bars.encode(x=alt.X("low:Q"), x2="high:Q"), cared.encode(x=x), rings.encode(x=x), dots
    ]  # fmt: skip
    if (floor := near_floor(rows)) is not None:
        mark = alt.Chart(pd.DataFrame({"error": [floor]}))
        rule = mark.mark_rule(color=_GREY, strokeDash=[3, 3], strokeWidth=1.5)
        tip = [alt.Tooltip("error:Q", title="the reference's own error", format=".2g")]
        layers.insert(0, rule.encode(x=x, tooltip=tip))
    return layered(*layers).properties(
        title=titled("Order of finish"), height=_ROW * len(names) + AROUND
    )


def near_floor(rows: pd.DataFrame) -> float | None:
    """Return the reference's own error, which is drawn dashed; None if it is far below all."""
    floor = float(rows["floor"].max()) if len(rows) else float("nan")
    return floor if np.isfinite(floor) and floor > rows["error"].min() / 30 else None


def fit_lines(cost: pd.DataFrame, slopes: pd.DataFrame) -> pd.DataFrame:
    """Return two ends of each fitted line: entrant, nfe, error, slope, low, high.

    A line of the fitted slope goes through the centre of the fitted points on log axes.
    """
    columns = ("entrant", "slope", "low", "high", "first", "last", "points")
    ends = []
    row: Any  # its fields are known to pandas alone
    for row in require(slopes, columns, "fitted slopes").dropna(subset=["slope"]).itertuples():
        own = cost[(cost["entrant"] == row.entrant) & cost["nfe"].between(row.first, row.last)]
        if len(own) < 2:
            continue
        centre = np.log(own["error"].astype(float)) + row.slope * np.log(own["nfe"].astype(float))
        for nfe in (float(row.first), float(row.last)):
            error = float(np.exp(centre.mean() - row.slope * np.log(nfe)))
            ends.append((row.entrant, nfe, error, row.slope, row.low, row.high))
    return pd.DataFrame(ends, columns=["entrant", "nfe", "error", "slope", "low", "high"])


def _positive(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with errors that a log axis can hold, the true ones as ``value``.

    What is nearer than a tenth of the reference's own error is drawn there.
    """
    least = (rows["floor"].astype(float) / 10).fillna(0.0).clip(lower=SMALLEST)
    error = rows["error"].astype(float).clip(lower=least)
    low, high = (rows[name].astype(float) for name in ("low", "high"))
    return rows.assign(
        value=rows["error"],
        error=error,
        low=low.clip(lower=error / 10),
        high=high.clip(lower=error),
    )


def _vertical(rows: pd.DataFrame) -> alt.Y:
    scale = alt.Scale(type="log", nice=False, zero=False, padding=12)
    return alt.Y("error:Q", title=_ERROR, scale=scale, axis=powers(rows["error"]))


def _color(colors: Mapping[str, str], names: list[str]) -> alt.Color:
    scale = alt.Scale(domain=names, range=[colors.get(name, _GREY) for name in names])
    return alt.Color("entrant:N", scale=scale, legend=None)


def _bars(rows: pd.DataFrame, x: alt.X, colors: Mapping[str, str]) -> alt.Chart:
    base = alt.Chart(rows).transform_filter("isValid(datum.low)")
    scale = alt.Scale(domain=list(colors), range=list(colors.values()))
    return base.mark_rule(strokeWidth=1.5, opacity=0.4).encode(
        x=x,
        y=alt.Y("low:Q"),
        y2="high:Q",
        color=alt.Color("entrant:N", title=None, scale=scale, legend=line_legend(list(colors))),
    )


def _fits(lines: pd.DataFrame, x: alt.X, y: alt.Y, colors: Mapping[str, str]) -> alt.Chart:
    scale = alt.Scale(domain=list(colors), range=list(colors.values()))
    tips = [
        alt.Tooltip("entrant:N", title="sampler"),
        alt.Tooltip("slope:Q", title="fitted order", format=".2f"),
        alt.Tooltip("low:Q", title="at least", format=".2f"),
        alt.Tooltip("high:Q", title="at most", format=".2f"),
    ]
    return (
        alt.Chart(lines)
        .mark_line(strokeWidth=7, opacity=0.16, strokeCap="round")
        .encode(
            x=x,
            y=y,
            color=alt.Color("entrant:N", title=None, scale=scale, legend=line_legend(list(colors))),
            tooltip=tips,
        )
    )


def _front(rows: pd.DataFrame, x: alt.X, y: alt.Y) -> alt.LayerChart:
    best = alt.Chart(rows[rows["pareto"].astype(bool)]).encode(x=x, y=y)
    step = best.mark_line(interpolate="step-after", color=_GOLD, strokeWidth=6, opacity=0.3)
    rings = best.mark_point(size=170, color=_GOLD, strokeWidth=2.5, opacity=1)
    return layered(step.encode(order="seconds:Q"), rings)


def _floors(rows: pd.DataFrame, y: alt.Y) -> list[alt.Chart]:
    """Return a line where the reference's own error begins to count, if it is near the points."""
    if (floor := near_floor(rows)) is None:
        return []
    mark = alt.Chart(pd.DataFrame({"error": [floor], "name": ["reference's own error"]}))
    rule = mark.mark_rule(color=_GREY, strokeDash=[3, 3], strokeWidth=1.5).encode(y=y)
    words = mark.mark_text(align="left", dx=4, dy=-7, fontSize=11, color=_GREY, clip=True)
    return [rule, words.encode(y=y, x=alt.value(0), text="name:N")]


def _tooltips() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("entrant:N", title="sampler"),
        alt.Tooltip("value:Q", title="error (std)", format=".3g"),
        alt.Tooltip("low:Q", title="95 % interval from", format=".3g"),
        alt.Tooltip("high:Q", title="to", format=".3g"),
        alt.Tooltip("num_steps:Q", title="steps", format="d"),
        alt.Tooltip("nfe:Q", title="evaluations", format="d"),
        alt.Tooltip("seconds:Q", title="seconds", format=".3g"),
        alt.Tooltip("pictures:Q", title="pictures", format="d"),
    ]
