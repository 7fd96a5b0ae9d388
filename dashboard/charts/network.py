"""The network: its map as a U or a column, what its blocks put out, the time, the activations.

The tables are those of ``sdlab.anatomy``.
"""

from collections.abc import Sequence
from typing import TypeVar

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.base import HEIGHT, layered, legend, require, value_tooltip

COLOURS = {
    "kind": "kind",
    "ms": "time",
    "macs": "multiply-adds",
    "parameters": "parameters",
}
"""What a block's colour may say."""
PICK = "pick"
"""The name of the selection that a click on a block makes."""
Drawn = TypeVar("Drawn", alt.Chart, alt.LayerChart)
ASIDE = -1.0  # the row of blocks that have no places
ROW = 46  # pixels of a resolution
MOST_ROWS = 60  # of a heat map
TEXT = "#8a90a3"


def network_map(
    table: pd.DataFrame, colour: str = "kind", chosen: str = "", unet: bool = True
) -> alt.LayerChart:
    """Return the map of a network: a U with its skips across, or a row of layers.

    Args:
        table: As ``sdlab.anatomy.network_map`` makes it.
        colour: A name of ``COLOURS``.
        chosen: The block to mark.
        unet: Whether it is a U-Net, which has resolutions to go down and up again.

    Raises:
        ValueError: If the colour is another.
    """
    if colour not in COLOURS:
        raise ValueError(f"colour must be one of {', '.join(COLOURS)}, got {colour!r}.")
    columns = [
        "order", "block", "kind", "resolution", "height", "channels_in", "channels_out",
        "attention", "skip_from", "parameters", "macs", "ms",
    ]  # fmt: skip
    frame = laid_out(require(table, columns, "network map"), unet)
    pick = alt.selection_point(name=PICK, fields=["block"], on="click", empty=False)
    x = alt.X("order:Q", axis=None, scale=alt.Scale(domain=[-1.6, frame["order"].max() + 0.8]))
    y = alt.Y(
        "depth:Q",
        axis=None,
        scale=alt.Scale(
            reverse=True, domain=[frame["depth"].min() - 0.5, frame["depth"].max() + 0.6]
        ),
    )
    size = min(330.0, 330.0 * (34 / len(frame)) ** 2)
    base = alt.Chart(frame).encode(x=x, y=y)
    way = base.mark_line(color=TEXT, opacity=0.35, strokeWidth=2).encode(order="order:Q")
    boxes = (
        base.mark_square(size=size, opacity=1, cornerRadius=3, cursor="pointer")
        .encode(
            color=_colour(colour),
            tooltip=[
                alt.Tooltip("block:N", title="block"),
                alt.Tooltip("kind:N", title="kind"),
                alt.Tooltip("resolution:N", title="places"),
                alt.Tooltip("channels_in:Q", title="channels in", format=","),
                alt.Tooltip("channels_out:Q", title="channels out", format=","),
                alt.Tooltip("attention:N", title="attention"),
                alt.Tooltip("skip_from:N", title="skip from"),
                alt.Tooltip("parameters:Q", title="parameters", format=","),
                alt.Tooltip("macs:Q", title="multiply-adds", format=","),
                value_tooltip("ms", "ms"),
            ],
        )
        .add_params(pick)
    )
    ring = (
        alt.Chart(frame[frame["block"] == chosen])
        .mark_square(size=1.9 * size, filled=False, strokeWidth=2.5, color=TEXT, opacity=1)
        .encode(x=x, y=y)
    )
    layers = [way, *_skips(frame, x, y), ring, boxes, _levels(frame, y)]
    height = 90 + ROW * max(2, round(frame["depth"].max() - frame["depth"].min()) + 1)
    return _titled(layered(*layers), "The network, from left to right").properties(height=height)


def laid_out(frame: pd.DataFrame, unet: bool = True) -> pd.DataFrame:
    """Return the blocks with a column ``depth``: how far down each stands.

    A halved resolution is one further down, and a skip's two ends stand at one depth, each pair of
    a resolution at its own, so that the skips are lines across that do not cover each other.
    """
    placed = frame["height"] > 0
    if not unet:
        return frame.assign(depth=np.where(placed, 0.0, ASIDE))
    largest = frame["height"].max()
    level = np.log2(largest / frame["height"].where(placed, largest)).round()
    depth = pd.Series(np.nan, index=frame.index)
    sources = dict(zip(frame["skip_from"], frame["block"], strict=True))
    sources.pop("", None)
    back = {target: source for source, target in sources.items()}
    for own in sorted(set(level[placed])):
        here = [b for b in frame["block"][placed & (level == own)] if b in sources]
        for number, block in enumerate(here):
            share = number / len(here)
            depth[frame["block"] == block] = own + share
    of = dict(zip(frame["block"], depth, strict=True))
    for target, source in back.items():
        depth[frame["block"] == target] = of[source]
    first = frame["order"][frame["skip_from"] != ""].min() if back else np.inf
    upward = frame["order"] >= first
    groups = [level, upward, placed]
    depth = depth.groupby(groups).ffill().groupby(groups).bfill()
    return frame.assign(depth=depth.where(depth.notna(), level).where(placed, ASIDE))


def through_the_run(table: pd.DataFrame, measure: str, block: str) -> alt.LayerChart:
    """Return a statistic of one block's output at every evaluation.

    Args:
        table: ``Observed.blocks``.
        measure: One of its columns.
        block: Which.
    """
    frame = require(table, ["evaluation", "block", measure], "block through the run")
    own = frame[frame["block"] == block]
    base = alt.Chart(own).encode(
        x=alt.X("evaluation:Q", axis=alt.Axis(format="d", tickMinStep=1, grid=False)),
        y=alt.Y(f"{measure}:Q", title=measure, scale=alt.Scale(zero=measure in ("std", "dead"))),
        tooltip=[alt.Tooltip("evaluation:Q", format="d"), value_tooltip(measure, measure)],
    )
    chart = layered(base.mark_line(strokeWidth=2), base.mark_circle(size=30, opacity=1))
    return _titled(chart, f"{block}: {measure} of what it puts out")


def by_block(table: pd.DataFrame, measure: str = "std") -> alt.Chart:
    """Return a statistic of every block's output at one evaluation, in order of computation."""
    frame = require(table, ["block", "mean", "std", "min", "max", "dead"], "statistics by block")
    title = {"std": "std. deviation (log scale)", "dead": "share of dead channels"}[measure]
    scale = alt.Scale(type="log" if measure == "std" else "linear")
    frame = frame[frame["std"] > 0] if measure == "std" else frame
    base = alt.Chart(frame).encode(
        y=alt.Y("block:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
        x=alt.X(f"{measure}:Q", title=title, scale=scale),
        tooltip=[
            alt.Tooltip("block:N", title="block"),
            *(value_tooltip(name, name) for name in ("mean", "std", "min", "max", "dead")),
        ],
    )
    chart = base.mark_circle(size=70, opacity=1)
    return _titled(chart, "Spread of what each block puts out", 50 + 11 * len(frame))


def heat(
    values: "np.ndarray", rows: Sequence[float], columns: Sequence[float], title: str,
    names: tuple[str, str], value: str, low: float = -1.0, high: float = 1.0,
) -> alt.Chart:  # fmt: skip
    """Return a matrix as a heat map, blue to red around 0, or white to dark from 0.

    Args:
        values: [rows, columns]; thinned evenly to ``MOST_ROWS`` each way.
        rows: What each row stands for.
        columns: What each column stands for.
        title: The heading.
        names: What rows and columns are called.
        value: What a cell is called.
        low: Value of the darkest blue.
        high: Value of the darkest red.
    """
    down, across = _thinned(len(rows)), _thinned(len(columns))
    r, c = np.meshgrid(np.asarray(rows)[down], np.asarray(columns)[across], indexing="ij")
    frame = pd.DataFrame(
        {"row": r.ravel(), "column": c.ravel(), "value": values[np.ix_(down, across)].ravel()}
    )
    frame = require(frame, ["row", "column", "value"], title)
    axis = alt.Axis(labelOverlap="greedy", labelAngle=0, format="~g", ticks=False)
    chart = (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X("column:O", title=names[1], axis=axis),
            y=alt.Y("row:O", title=names[0], axis=axis),
            color=alt.Color(
                "value:Q",
                title=None,
                scale=alt.Scale(scheme="redblue", reverse=True, domain=[low, high], clamp=True),
                legend=alt.Legend(orient="right", gradientLength=150, format=".2~g"),
            ),
            tooltip=[
                alt.Tooltip("row:Q", title=names[0], format=".4~g"),
                alt.Tooltip("column:Q", title=names[1], format=".4~g"),
                value_tooltip("value", value),
            ],
        )
    )
    return _titled(chart, title, HEIGHT + 60)


def near_in_time(table: pd.DataFrame) -> alt.LayerChart:
    """Return the cosine of every timestep with a chosen one, of the waves and of the MLP's output.

    Args:
        table: Columns ``timestep``, ``cosine``, ``of``, ``chosen``.
    """
    frame = require(table, ["timestep", "cosine", "of", "chosen"], "cosine between timesteps")
    base = alt.Chart(frame)
    lines = base.mark_line(strokeWidth=2).encode(
        x=alt.X("timestep:Q", title="timestep", axis=alt.Axis(format="d", grid=False)),
        y=alt.Y("cosine:Q", scale=alt.Scale(zero=False)),
        color=alt.Color("of:N", title=None, legend=legend()),
        tooltip=[
            alt.Tooltip("of:N", title="of"),
            alt.Tooltip("timestep:Q", format=".4~g"),
            value_tooltip("cosine", "cosine"),
        ],
    )
    chosen = (
        alt.Chart(frame.head(1))
        .mark_rule(color=TEXT, strokeDash=[5, 4])
        .encode(
            x=alt.X("chosen:Q", title="timestep"),
            tooltip=[alt.Tooltip("chosen:Q", title="chosen timestep")],
        )
    )
    return _titled(layered(lines, chosen), "How like the chosen timestep the others are")


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
    zero = alt.Chart(pd.DataFrame({"y": [0.0]})).mark_rule(color=TEXT, opacity=0.6).encode(y="y:Q")
    chart = layered(zero, base.mark_line(strokeWidth=2))
    return _titled(chart, "Activations" if what == "value" else "Their derivatives")


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
        .mark_rule(color=TEXT, strokeDash=[5, 4])
        .encode(x="x:Q")
    )
    return _titled(layered(bars, rule), "What goes into it")


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
    return _titled(
        chart, "Share of the inputs where SiLU falls", 50 + 11 * frame["layer"].nunique()
    )


def effects(table: pd.DataFrame, measure: str, title: str) -> alt.LayerChart:
    """Return what switching off each part does, the largest first.

    Args:
        table: Columns ``what``, ``part`` and ``measure``; where it has ``measure`` with "_low" and
            "_high", these are drawn as an interval.
        measure: What was measured.
        title: What it means, for the axis.
    """
    low, high = f"{measure}_low", f"{measure}_high"
    spans = [low, high] if {low, high} <= {*table.columns} else []
    frame = require(table, ["what", "part", measure, *spans], "effects of the parts")
    frame = frame.dropna(subset=[measure]).sort_values(measure, ascending=False)
    axis = alt.Axis(labelLimit=300, labelOverlap=False)
    y = alt.Y("what:N", sort=list(frame["what"]), title=None, axis=axis)
    base = alt.Chart(frame).encode(y=y)
    tips = [
        alt.Tooltip("what:N", title="switched off"),
        *(value_tooltip(name, name.replace("_", " ")) for name in (measure, *spans)),
    ]
    dots = base.mark_circle(size=80, opacity=1).encode(
        x=alt.X(f"{measure}:Q", title=title),
        color=alt.Color("part:N", title="switched off", legend=legend()),
        tooltip=tips,
    )
    bars = [base.mark_rule(color=TEXT).encode(x=f"{low}:Q", x2=high)] if spans else []
    heading = "What each part does, the largest first"
    return _titled(layered(*bars, dots), heading, 70 + 20 * len(frame))


def _skips(frame: pd.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Return the lines from where a skip comes to where it goes, if there are any."""
    order = dict(zip(frame["block"], frame["order"], strict=True))
    skips = frame[frame["skip_from"] != ""]
    if skips.empty:
        return []
    skips = skips.assign(source=skips["skip_from"].map(order))
    return [
        alt.Chart(skips)
        .mark_rule(strokeDash=[4, 3], color=TEXT, opacity=0.8)
        .encode(
            x=x,
            x2="source:Q",
            y=y,
            tooltip=[
                alt.Tooltip("skip_from:N", title="skip from"),
                alt.Tooltip("block:N", title="to"),
            ],
        )
    ]


def _levels(frame: pd.DataFrame, y: alt.Y) -> alt.Chart:
    """Return the resolutions at the left of their rows."""
    rows = frame[frame["height"] > 0].groupby("resolution", sort=False)["depth"].min().reset_index()
    return (
        alt.Chart(rows)
        .mark_text(align="left", color=TEXT, fontSize=12)
        .encode(
            x=alt.value(2), y=alt.Y("depth:Q", scale=y["scale"], axis=None), text="resolution:N"
        )
    )


def _colour(colour: str) -> alt.Color:
    if colour == "kind":
        return alt.Color("kind:N", title=None, legend=alt.Legend(orient="top", columns=5))
    return alt.Color(
        f"{colour}:Q",
        title="ms" if colour == "ms" else COLOURS[colour],
        scale=alt.Scale(scheme="viridis", type="sqrt"),
        legend=alt.Legend(orient="top", titleOrient="left", gradientLength=180, format=".2~s"),
    )


def _thinned(count: int) -> "np.ndarray":
    return np.unique(np.linspace(0, count - 1, min(count, MOST_ROWS)).round().astype(int))


def _titled(chart: Drawn, title: str, height: int = HEIGHT) -> Drawn:
    return chart.properties(
        title=alt.TitleParams(title, anchor="start", fontSize=14), height=height
    )
