"""A fitted schedule beside the curves that it is held against."""

import altair as alt
import pandas as pd

from dashboard.charts.base import decades, layered, legend, require, titled


def schedules(table: pd.DataFrame) -> alt.LayerChart:
    """Return sigma against the step, a line a curve.

    Args:
        table: Columns ``curve``, ``step`` and ``sigma``, all sigmas above 0.
    """
    frame = require(table, ["curve", "step", "sigma"], "fitted schedule")
    names = list(dict.fromkeys(frame["curve"]))
    base = alt.Chart(frame).encode(
        x=alt.X("step:Q", title="solver step", axis=alt.Axis(format="d", tickMinStep=1)),
        y=alt.Y("sigma:Q", title="sigma (log scale)", scale={"type": "log"}, axis=decades()),
        color=alt.Color("curve:N", title=None, sort=names, legend=legend()),
        tooltip=[
            alt.Tooltip("curve:N"),
            alt.Tooltip("step:Q"),
            alt.Tooltip("sigma:Q", format=".4g"),
        ],
    )
    return titled(layered(base.mark_line(), base.mark_point(filled=True)), "Fitted schedule")
