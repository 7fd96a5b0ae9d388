"""All paths of one picture through latent space, in their common first two principal components."""

from collections.abc import Mapping
from typing import TypeVar

import altair as alt
import pandas as pd

from dashboard.charts.base import edged, layered, require, told_tooltip, value_tooltip
from dashboard.charts.compare import titled
from dashboard.charts.many import legend_height, many_lines

Axis = TypeVar("Axis", alt.X, alt.Y)

HEIGHT = 460
REFERENCE = "reference"
_GREY = "#8a90a3"


def trajectories(
    paths: pd.DataFrame, colors: Mapping[str, str], dashes: Mapping[str, list[int]]
) -> alt.LayerChart:
    """Return every run of one picture as a line, from the shared noise to its end.

    Args:
        paths: The comparison's ``paths`` of one picture.
        colors: The colour of each entrant, in the legend's order; what has none is grey.
        dashes: The dash pattern of each entrant.

    Raises:
        ValueError: If a column is missing or there are too many rows.
    """
    columns = ("entrant", "evaluation", "sigma", "pc1", "pc2", "share1", "share2")
    rows = edged(require(paths, columns, "trajectories").dropna(subset=["pc1", "pc2"]))
    x = _axis(alt.X, rows, "pc1", "share1", "first")
    y = _axis(alt.Y, rows, "pc2", "share2", "second")
    present = {name: colors[name] for name in colors if name in set(rows["entrant"])}
    tips = [
        alt.Tooltip("entrant:N", title="sampler"),
        alt.Tooltip("evaluation:Q", title="evaluation", format="d"),
        told_tooltip(rows, "sigma", "sigma"),
        value_tooltip("pc1", "first component"),
        value_tooltip("pc2", "second component"),
    ]
    own = rows[rows["entrant"].isin(list(present))]
    points = alt.Chart(own).encode(x=x, y=y, tooltip=tips)
    layers = many_lines(points, present, dashes, order="evaluation", series="entrant")
    scale = alt.Scale(domain=list(present), range=list(present.values()))
    last = own.loc[own.groupby("entrant")["evaluation"].idxmax()] if len(own) else own
    ends = alt.Chart(last).mark_point(size=110, filled=True, opacity=1, shape="diamond")
    ends = ends.encode(x=x, y=y, color=alt.Color("entrant:N", scale=scale), tooltip=tips)
    behind = []
    other = rows[~rows["entrant"].isin(list(present))]
    if len(other):
        line = alt.Chart(other).mark_line(color=_GREY, strokeWidth=7, opacity=0.35)
        behind = [line.encode(x=x, y=y, detail="entrant:N", order="evaluation:Q", tooltip=tips)]
    return layered(*behind, *layers, ends).properties(
        title=titled("Trajectories of x_t"), height=HEIGHT + legend_height(present)
    )


def _axis(kind: type[Axis], rows: pd.DataFrame, field: str, share: str, which: str) -> Axis:
    of = f", {rows[share].iloc[0]:.0%} of the variance" if len(rows) else ""
    return kind(
        f"{field}:Q",
        title=f"{which} component{of}",
        scale=alt.Scale(zero=False, padding=16),
        axis=alt.Axis(tickCount=6),
    )
