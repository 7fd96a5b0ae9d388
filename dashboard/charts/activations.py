"""Activation functions, and what really goes into a network's SiLUs.

The tables are those of ``sdlab.anatomy.activations`` and ``sdlab.anatomy.observing``.
"""

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.base import GREY, layered, legend, require, titled, value_tooltip


def activation(table: pd.DataFrame, what: str) -> alt.LayerChart:
    """Return activations, or their derivatives, against their input.

    Args:
        table: As ``sdlab.anatomy.activations.curves`` makes it.
        what: "value" or "derivative".
    """
    frame = require(table, ["activation", "x", what], "activations")
    names = list(dict.fromkeys(frame["activation"]))
    base = alt.Chart(frame).encode(
        x=alt.X("x:Q", title="input x", axis=alt.Axis(grid=False)),
        y=alt.Y(f"{what}:Q", title="f(x)" if what == "value" else "f'(x)"),
        color=alt.Color("activation:N", title=None, sort=names, legend=legend()),
        tooltip=[
            alt.Tooltip("activation:N"),
            alt.Tooltip("x:Q", format=".3~g"),
            value_tooltip(what, what),
        ],
    )
    zero = alt.Chart(pd.DataFrame({"y": [0.0]})).mark_rule(color=GREY, opacity=0.6).encode(y="y:Q")
    chart = layered(zero, base.mark_line(strokeWidth=2))
    return titled(chart, "Activations" if what == "value" else "Their derivatives")


def silu_inputs(table: pd.DataFrame, turn: float) -> alt.LayerChart:
    """Return the histogram of what goes into a SiLU; where its derivative is negative in orange.

    Args:
        table: Columns ``low``, ``high``, ``share`` of one layer and evaluation.
        turn: Below it the derivative is negative.
    """
    frame = require(table, ["low", "high", "share"], "inputs of a SiLU")
    frame = frame.assign(
        where=np.where(frame["high"] <= turn + 0.25, "falling", "rising"),
        zero=0.0,
    )
    bars = (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X("low:Q", title="input of the SiLU", axis=alt.Axis(grid=False)),
            x2="high:Q",
            y=alt.Y("share:Q", title="share of the inputs", axis=alt.Axis(format=".0%")),
            y2="zero:Q",
            color=alt.Color(
                "where:N",
                title="SiLU is",
                sort=["falling", "rising"],
                scale=alt.Scale(domain=["rising", "falling"]),
                legend=legend(),
            ),
            tooltip=[
                alt.Tooltip("low:Q", title="from", format=".3~g"),
                alt.Tooltip("high:Q", title="to", format=".3~g"),
                alt.Tooltip("share:Q", title="share", format=".2%"),
            ],
        )
    )
    rule = (
        alt.Chart(pd.DataFrame({"x": [turn]}))
        .mark_rule(color=GREY, strokeDash=[5, 4])
        .encode(x="x:Q")
    )
    return titled(layered(bars, rule), "What goes into it")


def falling(table: pd.DataFrame) -> alt.Chart:
    """Return by layer and evaluation the share of a SiLU's inputs where its derivative is negative.

    Args:
        table: ``Observed.silus``; of many evaluations as a heat map, of one as points.
    """
    frame = require(table, ["layer", "evaluation", "falling", "mean", "std"], "falling share")
    tips = [
        alt.Tooltip("layer:N"),
        alt.Tooltip("evaluation:Q", format="d"),
        alt.Tooltip("falling:Q", title="share below the turn", format=".1%"),
        value_tooltip("mean", "mean of the inputs"),
        value_tooltip("std", "their std. deviation"),
    ]
    y = alt.Y("layer:N", sort=None, title=None, axis=alt.Axis(labelLimit=230))
    base = alt.Chart(frame)
    if frame["evaluation"].nunique() == 1:
        x = alt.X("falling:Q", title="share where SiLU falls", axis=alt.Axis(format=".0%"))
        chart = base.mark_circle(size=70, opacity=1).encode(x=x, y=y, tooltip=tips)
    else:
        color = alt.Color(
            "falling:Q",
            title=None,
            scale=alt.Scale(scheme="viridis"),
            legend=alt.Legend(orient="right", format=".0%"),
        )
        x = alt.X("evaluation:O", axis=alt.Axis(labelAngle=0, labelOverlap="greedy"))
        chart = base.mark_rect().encode(x=x, y=y, color=color, tooltip=tips)
    return titled(chart, "Share of the inputs where SiLU falls", 50 + 11 * frame["layer"].nunique())
