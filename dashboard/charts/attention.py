"""Charts of attention: shares by kind, the course of words, overlaps, rankings."""

from typing import Literal

import altair as alt
import pandas as pd

from dashboard.charts.base import (
    HEIGHT,
    layered,
    legend,
    lines,
    placed,
    require,
    value_tooltip,
    where_columns,
    where_tooltips,
    x_axis,
)
from dashboard.charts.names import short_layers

KINDS = {
    "start": ("start", "#8a90a3"),
    "word": ("words", "#6667ff"),
    "end": ("end", "#d25200"),
    "pad": ("pads", "#c9cdda"),
}
MORE_KINDS = {
    "template": ("template", "#9d4700"),
    "unknown": ("other text", "#6f6500"),
    "picture": ("the picture", "#009a90"),
}
"""What the text of some models has too, and the picture itself in joint attention."""
MAXIMUM = "largest share of any head"
NUMBERED = 12
"""So many words at most have their overlap written into the cells."""
RANKS = {
    "focus": ("Layers by how sharply they see the word", "focus (0 spread out, 1 one place)"),
    "mass": ("Layers by how much attention goes to the word", "mass (share of attention)"),
    "peak": ("Layers by the word's largest share", "peak (share of a place's attention)"),
}
COURSES = {
    "mass": ("Share of attention of each word", "share of attention", "mass"),
    "entropy": ("Spread of each word's map", "entropy (nats)", "entropy"),
    "likeness": ("Likeness to the word's last map", "correlation (no unit)", "correlation"),
    "share": ("Words at this place", "share of the place's attention", "share"),
}


def kind_mass(frame: pd.DataFrame, x: str, whole: bool = True) -> alt.LayerChart:
    """Return the shares of start, words, end, pads and what else there is, stacked.

    Args:
        frame: Of ``analysis.kind_mass``, with ``timestep``.
        x: ``step``, ``sigma`` or ``timestep``.
        whole: Whether they add up to 1; else (the heads' maximum) the axis is as long as they are.
    """
    rows = require(frame, where_columns("kind", "mass"), "attention by kind").dropna()
    there = set(rows["kind"])
    kinds = KINDS | {kind: look for kind, look in MORE_KINDS.items() if kind in there}
    names = [name for name, _ in kinds.values()]
    rows = placed(rows).assign(name=rows["kind"].map({kind: kinds[kind][0] for kind in kinds}))
    color = alt.Color(
        "name:N",
        title="attention to",
        sort=names,
        scale=alt.Scale(domain=names, range=[color for _, color in kinds.values()]),
        legend=legend(),
    )
    tips = [alt.Tooltip("name:N", title="to"), value_tooltip("mass", "share")]
    tips += where_tooltips(rows)
    scale = alt.Scale(domain=[0, 1]) if whole else alt.Scale(zero=True)
    axis = "share of attention" if whole else MAXIMUM
    y = alt.Y("mass:Q", title=axis, scale=scale, stack=True)
    order = alt.Order("rank:Q")
    rows["rank"] = rows["kind"].map({kind: place for place, kind in enumerate(kinds)})
    base = alt.Chart(rows).encode(x=x_axis(x), y=y, color=color, order=order, tooltip=tips)
    one = rows["evaluation"].nunique() == 1
    area = base.mark_bar(size=48) if one else base.mark_area(opacity=0.85, line=False)
    return layered(area).properties(
        title=alt.TitleParams("Where attention goes", anchor="start", fontSize=14), height=HEIGHT
    )


def course(frame: pd.DataFrame, x: str, value: str) -> alt.LayerChart:
    """Return one line a word: one of ``COURSES`` against the axis.

    Raises:
        ValueError: If the value is another.
    """
    if value not in COURSES:
        raise ValueError(f"value must be one of {', '.join(COURSES)}, got {value!r}.")
    title, axis, name = COURSES[value]
    rows = require(frame, where_columns("word", value), title).dropna()
    words = list(dict.fromkeys(rows["word"]))
    color = alt.Color("word:N", title="word", sort=words, legend=legend())
    y = alt.Y(f"{value}:Q", title=axis, scale=alt.Scale(zero=value in ("mass", "share")))
    return lines(rows, x, y, title, value_tooltip(value, name), color)


def overlap(frame: pd.DataFrame, value: str = "overlap") -> alt.LayerChart:
    """Return the square of every word or token against every other, by one of two measures.

    Args:
        frame: Of ``analysis.overlap``.
        value: ``overlap`` or ``correlation``.
    """
    rows = require(frame, ["word", "other", "overlap", "correlation"], "overlap of words")
    words = list(dict.fromkeys(rows["word"]))
    low = -1 if value == "correlation" else 0
    scheme: Literal["purpleorange", "purples"]
    scheme = "purpleorange" if value == "correlation" else "purples"
    color = alt.Color(
        f"{value}:Q",
        title=value,
        scale=alt.Scale(domain=[low, 1], scheme=scheme),
        legend=alt.Legend(orient="top", titleOrient="left", gradientLength=140),
    )
    tips = [
        alt.Tooltip("word:N", title="word"),
        alt.Tooltip("other:N", title="and"),
        value_tooltip("overlap", "overlap"),
        value_tooltip("correlation", "correlation"),
    ]
    base = alt.Chart(rows).encode(
        x=alt.X(
            "other:N",
            sort=words,
            title=None,
            axis=alt.Axis(labelAngle=-40, orient="bottom", labelOverlap=False),
        ),
        y=alt.Y("word:N", sort=words, title=None, axis=alt.Axis(labelOverlap=False)),
    )
    cells = base.mark_rect().encode(color=color, tooltip=tips)
    light = f"abs(datum.{value}) < 0.55"
    text = base.mark_text(fontSize=11).encode(
        text=alt.Text(f"{value}:Q", format=".2f"),
        color=alt.condition(light, alt.value("#20233a"), alt.value("#ffffff")),
    )
    title = "How far they look at the same places"
    few = len(words) <= NUMBERED
    return layered(cells, *([text] if few else [])).properties(
        title=alt.TitleParams(title, anchor="start", fontSize=14),
        height=alt.Step(30 if few else 18),
    )


def ranking(
    frame: pd.DataFrame, value: str = "focus", rows: int = 20, faint: float = 0.0
) -> alt.LayerChart:
    """Return the layers (and heads) by how they see a word, in the table's order.

    Args:
        frame: Of ``analysis.ranking``.
        value: ``focus``, ``mass`` or ``peak``.
        rows: So many at most are drawn.
        faint: Bars whose peak is below it are pale.
    """
    title, axis = RANKS[value]
    names = ["layer", "grid", "head", "mass", "entropy", "focus", "peak"]
    top = require(frame, names, "ranking of layers").head(rows).copy()
    names = list(dict.fromkeys(frame["layer"]))
    short = dict(zip(names, short_layers(names), strict=True))
    head = ["" if pd.isna(number) else f", head {number}" for number in top["head"]]
    top["name"] = top["layer"].map(short) + head
    tips = [
        alt.Tooltip("layer:N", title="layer"),
        alt.Tooltip("grid:N", title="grid"),
        *(value_tooltip(name, name) for name in ("focus", "mass", "entropy", "peak")),
    ]
    grids = list(dict.fromkeys(frame["grid"]))
    base = alt.Chart(top).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=260, labelOverlap=False)),
        x=alt.X(f"{value}:Q", title=axis),
        opacity=alt.condition(f"datum.peak < {faint}", alt.value(0.35), alt.value(1)),
        color=alt.Color("grid:N", title="grid", sort=grids, legend=legend()),
        tooltip=tips,
    )
    return layered(base.mark_bar()).properties(
        title=alt.TitleParams(title, anchor="start", fontSize=14), height=alt.Step(22)
    )


def words_at(frame: pd.DataFrame, whole: bool = True) -> alt.LayerChart:
    """Return the words by the share of attention that a place gives them.

    Args:
        frame: Of ``analysis.words_at``.
        whole: Whether the shares add up to 1; not those of the heads' maximum.
    """
    rows = require(frame, ["word", "kind", "share"], "words at a place").copy()
    rows["name"] = rows["word"].where(rows["kind"] == "word", "[" + rows["word"] + "]")
    rows.loc[rows["kind"] == "pad", "name"] = "padding"
    every = KINDS | MORE_KINDS
    color = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=list(every), range=[color for _, color in every.values()]),
        legend=None,
    )
    base = alt.Chart(rows).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelOverlap=False)),
        x=alt.X("share:Q", title="share of the place's attention" if whole else MAXIMUM),
    )
    bars = base.mark_bar().encode(
        color=color,
        tooltip=[alt.Tooltip("name:N", title="word"), value_tooltip("share", "share")],
    )
    text = base.mark_text(align="left", dx=4, color="#8a90a3").encode(
        text=alt.Text("share:Q", format=".3f")
    )
    return layered(bars, text).properties(height=alt.Step(22))
