"""Where the time goes: wall time of each network call."""

import altair as alt
import pandas as pd

from dashboard.charts.base import lines, require, value_tooltip, where_columns


def evaluation_ms(steps: pd.DataFrame, x: str) -> alt.LayerChart:
    """Return the wall time of each evaluation's network call, in milliseconds."""
    frame = require(steps, where_columns("ms", "samples"), "time per evaluation")
    frame = frame.dropna(subset=["ms"])
    y = alt.Y("ms:Q", title="wall time (ms)", scale=alt.Scale(zero=True))
    return lines(frame, x, y, "Time per evaluation", value_tooltip("ms", "ms"))
