"""What the checker says of the pictures, and how well converged the references are."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from dashboard.charts.base import layered, require
from dashboard.charts.compare import HEIGHT, doublings, powers, titled
from dashboard.charts.many import legend_height, line_legend, many_lines

_ROW = 24


def quality(
    table: pd.DataFrame, what: str, colors: Mapping[str, str], dashes: Mapping[str, list[int]]
) -> alt.LayerChart:
    """Return the share of the prompts' statements that hold, against evaluations.

    Args:
        table: The comparison's ``quality``.
        what: The kind of statement.
        colors: The colour of each entrant, in the legend's order.
        dashes: The dash pattern of each entrant.

    Raises:
        ValueError: If a column is missing.
    """
    columns = ("entrant", "budget", "nfe", "what", "share", "low", "high", "statements")
    rows = require(table, columns, "quality")
    rows = rows[rows["what"] == what].dropna(subset=["share"])
    present = {name: colors[name] for name in colors if name in set(rows["entrant"])}
    x = doublings("nfe", "network evaluations (log scale)", rows["nfe"])
    y = alt.Y(
        "share:Q",
        title="share of the statements that hold",
        scale=alt.Scale(zero=False, nice=True),
        axis=alt.Axis(format=".0%", tickCount=6),
    )
    tips = [
        alt.Tooltip("entrant:N", title="sampler"),
        alt.Tooltip("share:Q", title="hold", format=".1%"),
        alt.Tooltip("low:Q", title="95 % interval from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("statements:Q", title="statements", format="d"),
        alt.Tooltip("nfe:Q", title="evaluations", format="d"),
    ]
    scale = alt.Scale(domain=list(present), range=list(present.values()))
    bars = alt.Chart(rows).mark_rule(strokeWidth=1.5, opacity=0.35)
    bars = bars.encode(
        x=x,
        y=alt.Y("low:Q"),
        y2="high:Q",
        color=alt.Color("entrant:N", title=None, scale=scale, legend=line_legend(list(present))),
    )
    points = alt.Chart(rows).encode(x=x, y=y, tooltip=tips)
    layers = many_lines(points, present, dashes, order="nfe", series="entrant")
    return layered(bars, *layers).properties(
        title=titled("Prompt fidelity against evaluations"),
        height=HEIGHT + legend_height(present),
    )


def references(table: pd.DataFrame) -> alt.LayerChart:
    """Return each reference's change when its steps are doubled, and the error estimated from it.

    Args:
        table: The comparison's ``references``.

    Raises:
        ValueError: If a column is missing.
    """
    columns = ("prompt", "seed", "num_steps", "nfe", "change", "error")
    rows = require(table, columns, "references").dropna(subset=["change"])
    names = [f"{p[:40]} · seed {s}" for p, s in zip(rows["prompt"], rows["seed"], strict=True)]
    rows = rows.assign(picture=names).query("error > 0")
    y = alt.Y(
        "picture:N",
        title=None,
        sort=names,
        axis=alt.Axis(labelLimit=260, grid=True, labelOverlap=False, labelFlush=False),
    )
    long = rows.melt(
        ["picture", "num_steps", "nfe"], ["change", "error"], var_name="kind", value_name="value"
    )
    words = {"change": "from half the steps", "error": "its own error, estimated"}
    long["kind"] = long["kind"].map(words)
    scale = alt.Scale(type="log", nice=False, padding=14)
    axis = powers(long["value"])
    x = alt.X("value:Q", title="distance (std, log scale)", axis=axis, scale=scale)
    color = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(words.values()), range=["#8a90a3", "#5046e5"]),
        legend=alt.Legend(orient="top", symbolOpacity=1),
    )
    tips = [
        alt.Tooltip("picture:N"),
        alt.Tooltip("kind:N", title="distance"),
        alt.Tooltip("value:Q", title="std", format=".3g"),
        alt.Tooltip("num_steps:Q", title="steps of Heun", format="d"),
        alt.Tooltip("nfe:Q", title="evaluations", format="d"),
    ]
    rule = alt.Chart(rows).mark_rule(color="#8a90a3", opacity=0.4, strokeWidth=2)
    rule = rule.encode(y=y, x=alt.X("error:Q"), x2="change:Q")
    dots = (
        alt.Chart(long).mark_circle(size=90, opacity=1).encode(x=x, y=y, color=color, tooltip=tips)
    )
    return layered(rule, dots).properties(
        title=titled("How well the references are converged"),
        height=_ROW * len(rows) + 130,
    )
