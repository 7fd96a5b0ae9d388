"""Causes: the x0_pred and the path of changed runs beside the plain one's, and figures of maps.

The tables are those of ``sdlab.causes``: ``Counterfactuals.course`` and ``WordCheck.table``; that
of paths has the columns ``change``, ``evaluation``, ``pc1``, ``pc2``, ``share1`` and ``share2``.
"""

from collections.abc import Sequence
from typing import TypeVar

import altair as alt
import pandas as pd

from dashboard.charts.base import HEIGHT, edged, layered, require, told_tooltip
from dashboard.charts.compare import AROUND

Axis = TypeVar("Axis", alt.X, alt.Y)

LEGEND_ROW = 20
MEASURES = {
    "rms": ("How far x0_pred is from the plain run's", "RMS difference (latent units)"),
    "spread": ("Spread of x0_pred", "standard deviation (latent units)"),
}


def course(table: pd.DataFrame, measure: str = "rms") -> alt.LayerChart:
    """Return a measure of x0_pred at every evaluation, a line for each change.

    Args:
        table: As ``sdlab.causes.counterfactuals`` makes it.
        measure: One of ``MEASURES``.

    Raises:
        ValueError: If the measure is another, or a column is missing.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure must be one of {', '.join(MEASURES)}, got {measure!r}.")
    title, unit = MEASURES[measure]
    frame = edged(require(table, ("change", "evaluation", "sigma", measure), "course of causes"))
    tip = alt.Tooltip(f"{measure}:Q", title=unit, format=".4g")
    base = alt.Chart(frame).encode(
        x=_evaluations(),
        y=alt.Y(f"{measure}:Q", title=unit),
        color=_colour(frame),
        tooltip=[*_where(frame), tip],
    )
    layers = base.mark_line(strokeWidth=2), base.mark_circle(size=30, opacity=1)
    return _titled(layers, title, frame)


def reach(table: pd.DataFrame) -> alt.LayerChart:
    """Return the least and the greatest value of x0_pred at every evaluation, a band a change.

    Args:
        table: As ``sdlab.causes.counterfactuals`` makes it.

    Raises:
        ValueError: If a column is missing.
    """
    columns = ("change", "evaluation", "sigma", "least", "greatest")
    frame = edged(require(table, columns, "reach of x0_pred"))
    tips = [alt.Tooltip(f"{end}:Q", format=".3g") for end in ("least", "greatest")]
    base = alt.Chart(frame).encode(
        x=_evaluations(), color=_colour(frame), tooltip=[*_where(frame), *tips]
    )
    low, high = (
        base.mark_line(strokeWidth=2).encode(y=alt.Y(f"{end}:Q", title="value (latent units)"))
        for end in ("least", "greatest")
    )
    band = base.mark_area(opacity=0.12).encode(y=alt.Y("least:Q"), y2="greatest:Q")
    return _titled((band, low, high), "Least and greatest value of x0_pred", frame)


def paths(table: pd.DataFrame) -> alt.LayerChart:
    """Return the path of x_t of every change, in the two directions in which they differ most.

    Args:
        table: Of paths.

    Raises:
        ValueError: If a column is missing.
    """
    columns = ("change", "evaluation", "pc1", "pc2", "share1", "share2")
    frame = require(table, columns, "paths of causes")
    base = alt.Chart(frame).encode(
        x=_component(alt.X, frame, 1), y=_component(alt.Y, frame, 2), color=_colour(frame),
        tooltip=[alt.Tooltip("change:N"), alt.Tooltip("evaluation:Q", format="d")],
    )  # fmt: skip
    ends = base.transform_filter(f"datum.evaluation == {int(frame['evaluation'].max())}")
    layers = (
        base.mark_line(strokeWidth=2).encode(order=alt.Order("evaluation:Q")),
        base.mark_circle(size=30, opacity=1),
        ends.mark_point(size=110, filled=True, opacity=1, shape="diamond"),
    )
    return _titled(layers, "Paths of x_t", frame)


def _component(kind: type[Axis], frame: pd.DataFrame, number: int) -> Axis:
    share = frame[f"share{number}"].iloc[0]
    which = {1: "first", 2: "second"}[number]
    title = f"{which} component, {share:.0%} of the variance"
    return kind(f"pc{number}:Q", title=title, scale=alt.Scale(zero=False, padding=16))


def _evaluations() -> alt.X:
    axis = alt.Axis(format="d", tickMinStep=1, grid=False)
    return alt.X("evaluation:Q", title="evaluation", axis=axis)


def _colour(frame: pd.DataFrame) -> alt.Color:
    named = alt.Legend(orient="top", columns=2, labelLimit=260, symbolOpacity=1, offset=4)
    return alt.Color("change:N", title=None, sort=_names(frame), legend=named)


def _names(frame: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(frame["change"]))


def _where(frame: pd.DataFrame) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("change:N", title="change"),
        alt.Tooltip("evaluation:Q", title="evaluation", format="d"),
        told_tooltip(frame, "sigma", "sigma"),
    ]


def _titled(layers: Sequence[alt.Chart], title: str, frame: pd.DataFrame) -> alt.LayerChart:
    rows = -(-len(_names(frame)) // 2)
    return layered(*layers).properties(
        title=alt.TitleParams(title, anchor="start", fontSize=14), height=HEIGHT + LEGEND_ROW * rows
    )


def agreement(table: pd.DataFrame) -> alt.LayerChart:
    """Return the IoU of each two maps as a bar, with what chance would give as a tick.

    Args:
        table: As ``WordCheck.table`` makes it.

    Raises:
        ValueError: If a column is missing.
    """
    columns = ("one", "other", "rank_correlation", "iou", "chance")
    frame = require(table, columns, "agreement of maps")
    frame = frame.assign(pair=frame["one"] + " and " + frame["other"])
    tips = [
        alt.Tooltip("pair:N", title="maps"),
        alt.Tooltip("iou:Q", title="IoU of the strongest cells", format=".3f"),
        alt.Tooltip("chance:Q", title="by chance", format=".3f"),
        alt.Tooltip("rank_correlation:Q", title="rank correlation", format=".3f"),
    ]
    scale = alt.Scale(domain=[0, 1])
    base = alt.Chart(frame).encode(
        y=alt.Y("pair:N", title=None, sort=None, axis=alt.Axis(labelLimit=240)), tooltip=tips
    )
    bars = base.mark_bar(size=16).encode(
        x=alt.X(
            "iou:Q",
            title="IoU of the strongest cells (tick: by chance)",
            scale=scale,
            axis=alt.Axis(tickCount=5),
        )
    )
    ticks = base.mark_tick(color="#d25200", thickness=3, size=22).encode(
        x=alt.X("chance:Q", scale=scale)
    )
    return layered(bars, ticks).properties(
        title=alt.TitleParams("How far the maps agree", anchor="start", fontSize=14),
        height=24 * len(frame) + AROUND,
    )
