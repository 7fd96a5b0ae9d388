"""Pairs of samplers: the distance between their pictures, and which are tied."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.base import layered, require
from dashboard.charts.compare import titled

WRITTEN = 12
_CELL = 25
_LEAST = 1e-3
_TWO = ".2~r"
"""Two significant digits, in D3's words."""


def distances(pairs: pd.DataFrame) -> alt.LayerChart:
    """Return the matrix of distances between final latents, alike ones side by side.

    Args:
        pairs: The comparison's ``pairs``.

    Raises:
        ValueError: If a column is missing.
    """
    rows = require(pairs, ("a", "b", "distance", "pictures"), "distances between samplers")
    names = seriated(rows)
    rows = rows[rows["a"] != rows["b"]].dropna(subset=["distance"])
    known = rows["distance"]
    low = max(_LEAST, float(known[known > 0].min())) if (known > 0).any() else _LEAST
    high = max(2 * low, float(known.max())) if len(known) else 1.0
    low, high = _one_digit(low, math.floor), _one_digit(high, math.ceil)
    scale = alt.Scale(type="log", domain=[low, high], clamp=True, scheme="viridis")
    legend = alt.Legend(title="distance (std)", gradientLength=180, format=_TWO, tickCount=4)
    tips = [
        alt.Tooltip("a:N", title="sampler"),
        alt.Tooltip("b:N", title="and"),
        alt.Tooltip("distance:Q", title="distance (std)", format=".3g"),
        alt.Tooltip("pictures:Q", title="pictures", format="d"),
    ]
    base = _matrix(rows, names, tips)
    drawn = rows.assign(shown=rows["distance"].clip(lower=low))
    cells = (
        _matrix(drawn, names, tips)
        .mark_rect()
        .encode(color=alt.Color("shown:Q", scale=scale, legend=legend))
    )
    layers = [cells]
    if len(names) <= WRITTEN:
        light = float(np.sqrt(low * high))
        ink = alt.when(f"datum.distance < {light}").then(alt.value("#fff"))
        written = f"datum.distance < {_LEAST} ? '0' : format(datum.distance, '.2g')"
        words = base.transform_calculate(written=written).mark_text(fontSize=11)
        words = words.encode(text="written:N", color=ink.otherwise(alt.value("#222")))
        layers.append(words)
    return layered(*layers).properties(
        title=titled("Distance between final latents"), height=_height(names)
    )


def ties(table: pd.DataFrame, order: Sequence[str]) -> alt.LayerChart:
    """Return a matrix of which samplers are nearer, statistically tied, or not known to differ.

    Args:
        table: The comparison's ``ties``.
        order: All entrants, the nearest first.

    Raises:
        ValueError: If a column is missing.
    """
    columns = ("a", "b", "ratio", "p", "tied", "pictures", "least", "enough", "open")
    rows = both_ways(require(table, columns, "ties")).dropna(subset=["ratio"])
    tied, unknown = (rows[name].fillna(False).astype(bool) for name in ("tied", "open"))
    rows = rows.assign(
        sign=np.select([tied, unknown], ["=", "?"], ""),
        known=np.select([tied, unknown], ["tied", "too few pictures to tell"], "no luck"),
    )
    pairs = zip(rows["ratio"].tolist(), rows["sign"].tolist(), strict=True)
    rows = rows.assign(written=[f"{_two_digits(ratio)} {sign}" for ratio, sign in pairs])
    names = [name for name in order if name in set(rows["a"])]
    reach = (
        float(rows["ratio"].clip(0.05, 20).map(lambda r: max(r, 1 / r)).max()) if len(rows) else 2
    )
    reach = max(1.5, reach)
    scale = alt.Scale(
        type="log",
        domain=[1 / reach, 1, reach],
        range=["#2166ac", "#f2f2f2", "#b2182b"],
        clamp=True,
    )
    legend = alt.Legend(title="row / column", gradientLength=180, format=_TWO, tickCount=4)
    tips = [
        alt.Tooltip("a:N", title="sampler"),
        alt.Tooltip("b:N", title="against"),
        alt.Tooltip("ratio:Q", title="its distance over the other's", format=".3g"),
        alt.Tooltip("p:Q", title="p (corrected)", format=".2g"),
        alt.Tooltip("known:N", title="so"),
        alt.Tooltip("pictures:Q", title="pictures", format="d"),
        alt.Tooltip("least:Q", title="a ratio would show above", format=".3g"),
        alt.Tooltip("enough:Q", title="pictures that would show this one", format="d"),
    ]
    base = _matrix(rows, names, tips)
    cells = base.mark_rect().encode(color=alt.Color("ratio:Q", scale=scale, legend=legend))
    ink = alt.when(f"abs(log(datum.ratio)) > {0.6 * math.log(reach)}").then(alt.value("#fff"))
    words = base.mark_text(fontSize=11).encode(
        text="written:N" if len(names) <= WRITTEN else "sign:N",
        color=ink.otherwise(alt.value("#222")),
    )
    return layered(cells, words).properties(
        title=titled("Ratio of distances; = tied, ? not known"), height=_height(names)
    )


def seriated(pairs: pd.DataFrame) -> list[str]:
    """Return the samplers in an order that puts alike ones side by side.

    From the one that is nearest to all others, always on to the nearest that is left.
    """
    square = pairs.pivot_table(index="a", columns="b", values="distance", aggfunc="first")
    names = list(dict.fromkeys([*pairs["a"], *pairs["b"]]))
    square = square.reindex(index=names, columns=names)
    square = square.fillna(square.T).fillna(np.inf)
    left = list(names)
    order: list[str] = []
    while left:
        if order:
            here = min(left, key=square.loc[order[-1]].to_dict().__getitem__)
        else:
            here = str(square.replace(np.inf, np.nan).mean().fillna(np.inf).idxmin())
        order.append(here)
        left.remove(here)
    return order


def both_ways(table: pd.DataFrame) -> pd.DataFrame:
    """Return the ties with each pair also the other way round, its ratio inverted."""
    turned = table.rename(columns={"a": "b", "b": "a"}).assign(ratio=1 / table["ratio"])
    out = pd.concat([table, turned[table.columns]], ignore_index=True)
    return out.drop_duplicates(["a", "b"])


def _one_digit(value: float, rounded: Callable[[float], int]) -> float:
    """Return a positive number with one significant digit, rounded down or up."""
    unit = 10.0 ** math.floor(math.log10(value))
    return rounded(value / unit) * unit


def _two_digits(ratio: float) -> str:
    return f"{ratio:.2g}" if ratio < 99.5 else f"{ratio:.0f}"


def _matrix(rows: pd.DataFrame, names: list[str], tips: list[alt.Tooltip]) -> alt.Chart:
    plain: dict[str, Any] = {"labelLimit": 190, "labelOverlap": False, "labelFlush": False}
    plain |= {"domain": False, "ticks": False}
    axis = alt.Axis(labelAngle=-45, **plain)
    return alt.Chart(rows).encode(
        x=alt.X("b:N", sort=names, title=None, axis=axis, scale=alt.Scale(domain=names)),
        y=alt.Y(
            "a:N",
            sort=names,
            title=None,
            axis=alt.Axis(**plain),
            scale=alt.Scale(domain=names),
        ),
        tooltip=tips,
    )


def _height(names: Sequence[str]) -> int:
    return max(300, _CELL * len(names) + 170)
