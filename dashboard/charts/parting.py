"""How far apart two runs' predictions are, evaluation by evaluation, and where they part."""

import altair as alt
import pandas as pd

from dashboard.charts.base import GREY, layered, require, thinned, titled

COLUMNS = ("evaluation", "sigma", "distance")
TITLE = "Distance of what both predict"
_MOST = 4000


def parting(along: pd.DataFrame, threshold: float, first: int | None, color: str) -> alt.LayerChart:
    """Return the distance against the first run's evaluations.

    Args:
        along: ``COLUMNS``; the distance in standard deviations of the final latents.
        threshold: From which on they count as apart, drawn as a line.
        first: The evaluation from which on they are, drawn as a rule; None for none.
        color: Of the line.

    Raises:
        ValueError: If a column is missing or there are too many rows.
    """
    frame = require(along, COLUMNS, TITLE) if len(along) <= _MOST else thinned(along, _MOST)
    x = alt.X(
        "evaluation:Q",
        title="evaluation of the first",
        axis=alt.Axis(grid=False, format="d", tickMinStep=1),
    )
    y = alt.Y("distance:Q", title="distance (std of latents)")
    tips = [
        alt.Tooltip("evaluation:Q", title="evaluation", format="d"),
        alt.Tooltip("sigma:Q", title="sigma", format=".4g"),
        alt.Tooltip("distance:Q", title="distance", format=".3g"),
    ]
    line = alt.Chart(frame).mark_line(point=True, color=color).encode(x=x, y=y, tooltip=tips)
    level = alt.Chart(pd.DataFrame({"distance": [threshold]}))
    layers = [line, level.mark_rule(color=GREY, strokeDash=[4, 4]).encode(y="distance:Q")]
    if first is not None:
        where = alt.Chart(pd.DataFrame({"evaluation": [first]}))
        layers.append(where.mark_rule(color=GREY).encode(x="evaluation:Q"))
    return titled(layered(*layers), TITLE)
