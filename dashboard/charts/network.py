"""The network: a U-Net's map, what blocks put out, the time, what each part does.

The tables are those of ``sdlab.anatomy``.
"""

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.base import GREY, HEIGHT, layered, legend, require, titled, value_tooltip

COLOURS = {
    "kind": "kind",
    "ms": "time",
    "macs": "multiply-adds",
    "parameters": "parameters",
}
"""What a block's colour may say."""
PICK = "pick"
"""The name of the selection that a click on a block makes."""
ASIDE = -1.0  # the row of blocks that have no places
ROW = 46  # pixels of a resolution
MOST_ROWS = 60  # of a heat map


COLUMNS = (
    "order", "block", "words", "kind", "resolution", "height", "channels_in", "channels_out",
    "attention", "parameters", "macs", "ms",
)  # fmt: skip
"""What the map of a network is drawn from."""


def unet_map(table: pd.DataFrame, colour: str = "kind", chosen: str = "") -> alt.LayerChart:
    """Return the map of a U-Net: a U with its skips across.

    Args:
        table: As ``sdlab.anatomy.network_map`` makes it.
        colour: A name of ``COLOURS``.
        chosen: The block to mark.

    Raises:
        ValueError: If the colour is another.
    """
    frame = laid_out(require(table, [*COLUMNS, "skip_from"], "network map"))
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
    way = base.mark_line(color=GREY, opacity=0.35, strokeWidth=2).encode(order="order:Q")
    boxes = (
        base.mark_square(size=size, opacity=1, cornerRadius=3, cursor="pointer")
        .encode(
            color=coloured(colour),
            tooltip=[*tooltips(), alt.Tooltip("skip_from:N", title="skip from")],
        )
        .add_params(picking())
    )
    ring = (
        alt.Chart(frame[frame["block"] == chosen])
        .mark_square(size=1.9 * size, filled=False, strokeWidth=2.5, color=GREY, opacity=1)
        .encode(x=x, y=y)
    )
    layers = [way, *_skips(frame, x, y), ring, boxes, _levels(frame, y)]
    height = 90 + ROW * max(2, round(frame["depth"].max() - frame["depth"].min()) + 1)
    return titled(layered(*layers), "The network, from left to right").properties(height=height)


def picking() -> alt.Parameter:
    """Return the selection of a block by a click."""
    return alt.selection_point(name=PICK, fields=["block"], on="click", empty=False)


def tooltips() -> list[alt.Tooltip]:
    """Return what is said of a block under the pointer."""
    return [
        alt.Tooltip("words:N", title="block"),
        alt.Tooltip("block:N", title="path"),
        alt.Tooltip("kind:N", title="kind"),
        alt.Tooltip("resolution:N", title="places"),
        alt.Tooltip("channels_in:Q", title="channels in", format=","),
        alt.Tooltip("channels_out:Q", title="channels out", format=","),
        alt.Tooltip("attention:N", title="attention"),
        alt.Tooltip("parameters:Q", title="parameters", format=","),
        alt.Tooltip("macs:Q", title="multiply-adds", format=","),
        value_tooltip("ms", "ms"),
    ]


def coloured(colour: str) -> alt.Color:
    """Return the colour of a block by its kind, or by one of its numbers.

    Raises:
        ValueError: If ``colour`` is none of ``COLOURS``.
    """
    if colour not in COLOURS:
        raise ValueError(f"colour must be one of {', '.join(COLOURS)}, got {colour!r}.")
    if colour == "kind":
        return alt.Color("kind:N", title=None, legend=alt.Legend(orient="top", columns=5))
    return alt.Color(
        f"{colour}:Q",
        title="ms" if colour == "ms" else COLOURS[colour],
        scale=alt.Scale(scheme="viridis", type="sqrt"),
        legend=alt.Legend(orient="top", titleOrient="left", gradientLength=180, format=".2~s"),
    )


def laid_out(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the blocks with a column ``depth``: how far down each stands.

    A halved resolution is one further down, and a skip's two ends stand at one depth, each pair of
    a resolution at its own, so that the skips are lines across that do not cover each other.
    """
    placed = frame["height"] > 0
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


def through_the_run(table: pd.DataFrame, measure: str, block: str, words: str) -> alt.LayerChart:
    """Return a statistic of one block's output at every evaluation.

    Args:
        table: ``Observed.blocks``.
        measure: One of its columns.
        block: Which.
        words: What it is, for the heading.
    """
    frame = require(table, ["evaluation", "block", measure], "block through the run")
    own = frame[frame["block"] == block]
    base = alt.Chart(own).encode(
        x=alt.X("evaluation:Q", axis=alt.Axis(format="d", tickMinStep=1, grid=False)),
        y=alt.Y(f"{measure}:Q", title=measure, scale=alt.Scale(zero=measure in ("std", "dead"))),
        tooltip=[alt.Tooltip("evaluation:Q", format="d"), value_tooltip(measure, measure)],
    )
    chart = layered(base.mark_line(strokeWidth=2), base.mark_circle(size=30, opacity=1))
    return titled(chart, f"{words}: {measure} of what it puts out")


def by_block(table: pd.DataFrame, measure: str = "std") -> alt.Chart:
    """Return a statistic of every block's output at one evaluation, in order of computation."""
    columns = ["block", "words", "mean", "std", "min", "max", "dead"]
    frame = require(table, columns, "statistics by block")
    title = {"std": "std. deviation (log scale)", "dead": "share of dead channels"}[measure]
    scale = alt.Scale(type="log" if measure == "std" else "linear")
    frame = frame[frame["std"] > 0] if measure == "std" else frame
    base = alt.Chart(frame).encode(
        y=alt.Y("words:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
        x=alt.X(f"{measure}:Q", title=title, scale=scale),
        tooltip=[
            alt.Tooltip("words:N", title="block"),
            alt.Tooltip("block:N", title="path"),
            *(value_tooltip(name, name) for name in ("mean", "std", "min", "max", "dead")),
        ],
    )
    chart = base.mark_circle(size=70, opacity=1)
    return titled(chart, "Spread of what each block puts out", 50 + 11 * len(frame))


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
    return titled(chart, title, HEIGHT + 60)


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
        .mark_rule(color=GREY, strokeDash=[5, 4])
        .encode(
            x=alt.X("chosen:Q", title="timestep"),
            tooltip=[alt.Tooltip("chosen:Q", title="chosen timestep")],
        )
    )
    return titled(layered(lines, chosen), "How like the chosen timestep the others are")


def effects(table: pd.DataFrame, measure: str, title: str) -> alt.LayerChart:
    """Return what switching off each part does, the largest first.

    Args:
        table: Columns ``what``, ``words``, ``part`` and ``measure``; where it has ``measure`` with
            "_low" and "_high", these are drawn as an interval.
        measure: What was measured.
        title: What it means, for the axis.
    """
    low, high = f"{measure}_low", f"{measure}_high"
    spans = [low, high] if {low, high} <= {*table.columns} else []
    frame = require(table, ["what", "words", "part", measure, *spans], "effects of the parts")
    frame = frame.dropna(subset=[measure]).sort_values(measure, ascending=False)
    axis = alt.Axis(labelLimit=300, labelOverlap=False)
    y = alt.Y("words:N", sort=list(frame["words"]), title=None, axis=axis)
    base = alt.Chart(frame).encode(y=y)
    tips = [
        alt.Tooltip("words:N", title="switched off"),
        alt.Tooltip("what:N", title="path"),
        *(value_tooltip(name, name.replace("_", " ")) for name in (measure, *spans)),
    ]
    dots = base.mark_circle(size=80, opacity=1).encode(
        x=alt.X(f"{measure}:Q", title=title),
        color=alt.Color("part:N", title="switched off", legend=legend()),
        tooltip=tips,
    )
    bars = [base.mark_rule(color=GREY).encode(x=f"{low}:Q", x2=high)] if spans else []
    heading = "What each part does, the largest first"
    return titled(layered(*bars, dots), heading, 70 + 20 * len(frame))


def _skips(frame: pd.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Return the lines from where a skip comes to where it goes, if there are any."""
    order = dict(zip(frame["block"], frame["order"], strict=True))
    skips = frame[frame["skip_from"] != ""]
    if skips.empty:
        return []
    skips = skips.assign(source=skips["skip_from"].map(order))
    return [
        alt.Chart(skips)
        .mark_rule(strokeDash=[4, 3], color=GREY, opacity=0.8)
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
        .mark_text(align="left", color=GREY, fontSize=12)
        .encode(
            x=alt.value(2), y=alt.Y("depth:Q", scale=y["scale"], axis=None), text="resolution:N"
        )
    )


def _thinned(count: int) -> "np.ndarray":
    return np.unique(np.linspace(0, count - 1, min(count, MOST_ROWS)).round().astype(int))
