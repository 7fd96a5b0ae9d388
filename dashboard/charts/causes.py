"""Causes: how far a changed run's x0_pred is from the plain one's, and two figures of maps.

The tables are those of ``sdlab.causes``: ``Counterfactuals.course`` and ``WordCheck.table``.
"""

import altair as alt
import pandas as pd

from dashboard.charts.base import HEIGHT, edged, layered, require, told_tooltip

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
    names = list(dict.fromkeys(frame["change"]))
    named = alt.Legend(orient="top", columns=2, labelLimit=260, symbolOpacity=1, offset=4)
    rows = -(-len(names) // 2)
    base = alt.Chart(frame).encode(
        x=alt.X(
            "evaluation:Q", title="evaluation", axis=alt.Axis(format="d", tickMinStep=1, grid=False)
        ),
        y=alt.Y(f"{measure}:Q", title=unit),
        color=alt.Color("change:N", title=None, sort=names, legend=named),
        tooltip=[
            alt.Tooltip("change:N", title="change"),
            alt.Tooltip("evaluation:Q", title="evaluation", format="d"),
            told_tooltip(frame, "sigma", "sigma"),
            alt.Tooltip(f"{measure}:Q", title=unit, format=".4g"),
        ],
    )
    layer = layered(base.mark_line(strokeWidth=2), base.mark_circle(size=30, opacity=1))
    return layer.properties(
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
        height=40 * len(frame) + 20,
    )
