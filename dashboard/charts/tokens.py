"""What the text encoder does, position by position: norms, differences, cosines, attention."""

from typing import Any

import altair as alt
import pandas as pd

from dashboard.charts.base import HEIGHT, layered, legend, require, value_tooltip

KINDS = ("start", "word", "end", "pad")
MAPS = {"cosine": "cosine (no unit)", "weight": "weight (root scale)"}
MEASURES = {
    "start": "attention to the start token",
    "previous": "attention to the position before",
    "self": "attention to itself",
    "entropy": "entropy (nat)",
}
STATES = ("seen", "pad, seen", "pad, hidden", "future, hidden")
_STATE_COLORS = ("#00948e", "#d28b00", "#b06a6a", "#8a90a3")
_LARGE = 24
_FRAME = 215  # pixels of title, legend and labels


def norms(table: pd.DataFrame, which: str) -> alt.LayerChart:
    """Return the norm of each position's vector: "token", "entering" or "contextual"."""
    frame = require(table, ["position", "label", "kind", which], "norms by position")
    titles = {
        "token": "Norm of the token embedding",
        "entering": "Norm of what enters the first layer",
        "contextual": "Norm of the contextual embedding",
    }
    y = alt.Y(f"{which}:Q", title="Euclidean norm")
    return _stems(frame, y, titles[which], [value_tooltip(which, "norm")], _kind_color())


def difference(table: pd.DataFrame, other: str) -> alt.LayerChart:
    """Return how far each position's contextual embedding is from another prompt's.

    Args:
        table: As ``sdlab.text.encoder.compare`` gives it.
        other: What the other prompt is called in the heading.
    """
    columns = ["position", "label", "other_label", "same_so_far", "distance", "relative", "cosine"]
    frame = require(table, columns, "difference by position")
    states = {True: "equal by causality", False: "may differ"}
    frame = frame.assign(state=frame["same_so_far"].map(states))
    color = alt.Color(
        "state:N",
        title=None,
        legend=legend(),
        scale=alt.Scale(domain=list(states.values()), range=["#8a90a3", "#d25200"]),
    )
    tips = [
        alt.Tooltip("other_label:N", title="the other's token"),
        value_tooltip("distance", "distance"),
        value_tooltip("relative", "by the other's norm"),
        value_tooltip("cosine", "cosine"),
    ]
    scale = alt.Undefined if frame["relative"].max() > 0 else alt.Scale(domain=[0, 1])
    y = alt.Y("relative:Q", title="distance / norm of the other", scale=scale)
    return _stems(frame, y, f"Difference from {other}", tips, color)


def cosine_map(table: pd.DataFrame, heading: str) -> alt.Chart:
    """Return the cosines between positions as a triangle; the matrix is symmetric.

    Args:
        table: As ``sdlab.text.similar.cosine_table`` gives it.
        heading: The chart's title.
    """
    names = ["row", "column", "row_label", "column_label", "cosine"]
    table = (
        table[table["row"] >= table["column"]] if "row" in table and "column" in table else table
    )
    frame = require(table, names, "cosines between positions")
    return _heat(frame, ("row", "column"), "cosine", ("position", "position"), heading)


def attention_map(table: pd.DataFrame, heading: str) -> alt.Chart:
    """Return one attention map: a row is a query, and what it sees sums to 1 along the row.

    Args:
        table: As ``sdlab.text.self_attention.attention_table`` gives it.
        heading: The chart's title.
    """
    names = ["query", "key", "query_label", "key_label", "weight"]
    frame = require(table, names, "self-attention")
    axes = ("key: what is looked at", "query: what looks")
    return _heat(frame, ("query", "key"), "weight", axes, heading)


def masks(table: pd.DataFrame) -> alt.Chart:
    """Return the causal and the padding mask in one: what each query may see."""
    frame = require(table, ["query", "first", "last", "state"], "masks")
    frame = frame.assign(below=frame["query"] + 1, until=frame["last"] - 1)
    domain = [0, int(frame["last"].max())]
    axis = alt.Axis(tickMinStep=1, grid=False, format="d")
    present = [state for state in STATES if state in set(frame["state"])]
    colors = [_STATE_COLORS[STATES.index(state)] for state in present]
    return (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X(
                "first:Q",
                title="key position",
                scale=alt.Scale(nice=False, domain=domain),
                axis=axis,
            ),
            x2="last:Q",
            y=alt.Y(
                "query:Q",
                title="query position",
                scale=alt.Scale(nice=False, domain=domain, reverse=True),
                axis=axis,
            ),
            y2="below:Q",
            color=alt.Color(
                "state:N",
                title=None,
                legend=alt.Legend(orient="top", columns=2, symbolOpacity=1),
                scale=alt.Scale(domain=present, range=colors),
            ),
            stroke=alt.Stroke(  # closes the seams between rows
                "state:N", legend=None, scale=alt.Scale(domain=present, range=colors)
            ),
            tooltip=[
                alt.Tooltip("query:Q", title="query"),
                alt.Tooltip("first:Q", title="keys from"),
                alt.Tooltip("until:Q", title="to"),
                alt.Tooltip("state:N", title="they are"),
            ],
        )
        .properties(title=_title("Masks"), height=HEIGHT + 130)
    )


def mass(table: pd.DataFrame, heading: str) -> alt.Chart:
    """Return where the attention of each kind of position falls, as stacked bars.

    Args:
        table: One layer and head of ``mass_table``, or a mean over heads.
        heading: The chart's title.
    """
    frame = require(table, ["query_kind", "key_kind", "mass"], "attention by kind")
    frame = frame.assign(rank=frame["key_kind"].map({k: i for i, k in enumerate(KINDS)}))
    return (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("mass:Q", title="share of attention", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("query_kind:N", title="from", sort=list(KINDS)),
            color=_kind_color("key_kind", "to"),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("query_kind:N", title="from"),
                alt.Tooltip("key_kind:N", title="to"),
                value_tooltip("mass", "share"),
            ],
        )
        .properties(title=_title(heading), height=HEIGHT)
    )


def heads(table: pd.DataFrame, measure: str) -> alt.Chart:
    """Return what every head does, layer by head, by one measure.

    Raises:
        ValueError: If the measure is unknown.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure must be one of {', '.join(MEASURES)}, got {measure!r}.")
    frame = require(table, ["layer", "head", measure], "heads")
    color = alt.Color(
        f"{measure}:Q",
        title=None,
        scale=alt.Scale(scheme="viridis"),
        legend=alt.Legend(orient="right", format=".2g"),
    )
    tips = [
        alt.Tooltip("layer:O", title="layer"),
        alt.Tooltip("head:O", title="head"),
        value_tooltip(measure, MEASURES[measure]),
    ]
    title = MEASURES[measure]
    return (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X("head:O", title="head", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("layer:O", title="layer"),
            color=color,
            tooltip=tips,
        )
        .properties(title=_title(f"All heads: {title}"), height=130 + 26 * frame["layer"].nunique())
    )


def _stems(
    frame: pd.DataFrame, y: alt.Y, title: str, tips: list[alt.Tooltip], color: alt.Color
) -> alt.LayerChart:
    where = [alt.Tooltip("label:N", title="position")]
    base = alt.Chart(frame).encode(
        x=alt.X(
            "position:Q",
            title="position in the sequence",
            axis=alt.Axis(format="d", tickMinStep=1, grid=False),
            scale=alt.Scale(nice=False, domain=[-1, int(frame["position"].max()) + 1]),
        ),
        y=y,
        color=color,
        tooltip=where + tips,
    )
    stems = base.mark_rule(strokeWidth=1, opacity=0.45)
    return layered(stems, base.mark_circle(size=28, opacity=1)).properties(
        title=_title(title), height=HEIGHT
    )


def _heat(
    frame: pd.DataFrame, fields: tuple[str, str], value: str, titles: tuple[str, str], heading: str
) -> alt.Chart:
    row, column = fields
    rows = frame.drop_duplicates(row).sort_values(row)[f"{row}_label"].tolist()
    columns = frame.drop_duplicates(column).sort_values(column)[f"{column}_label"].tolist()
    shape = {"type": "sqrt", "domainMin": 0} if value == "weight" else {"type": "linear"}
    axis: dict[str, Any] = {"labelOverlap": "greedy", "labelLimit": 130}
    return (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X(
                f"{column}_label:O",
                title=titles[0],
                sort=columns,
                axis=alt.Axis(labelAngle=-60, **axis),
            ),
            y=alt.Y(f"{row}_label:O", title=titles[1], sort=rows, axis=alt.Axis(**axis)),
            color=alt.Color(
                f"{value}:Q",
                title=MAPS[value],
                scale=alt.Scale(scheme="viridis", **shape),
                legend=alt.Legend(
                    orient="top",
                    titleOrient="left",
                    gradientLength=150,
                    tickCount=3,
                    format=".3~g",
                ),
            ),
            tooltip=[
                alt.Tooltip(f"{row}_label:N", title=row),
                alt.Tooltip(f"{column}_label:N", title=column),
                value_tooltip(value, value),
            ],
        )
        .properties(title=_title(heading), height=_side(len(rows)))
    )


def _side(count: int) -> int:
    return 700 if count > _LARGE else _FRAME + max(90, 24 * count)


def _kind_color(field: str = "kind", title: str | None = None) -> alt.Color:
    """Return the colour of a kind; the domain is fixed, so that a kind keeps its colour."""
    return alt.Color(
        f"{field}:N", title=title, scale=alt.Scale(domain=list(KINDS)), legend=legend()
    )


def _title(text: str) -> alt.TitleParams:
    return alt.TitleParams(text, anchor="start", fontSize=14)
