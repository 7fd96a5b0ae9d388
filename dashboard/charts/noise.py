"""How the noise falls: sigma and log-SNR of each evaluation."""

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.base import decades, edged, lines, require, told_tooltip, where_columns


def sigma(steps: pd.DataFrame, x: str, color: str | None = None) -> alt.LayerChart:
    """Return sigma against the axis, on a log scale; ``color`` is the scheduler's own."""
    frame = require(steps, where_columns(), "noise level")
    frame = edged(frame[frame["sigma"] > 0])
    axis = alt.Y(
        "sigma:Q",
        title="sigma (log scale)",
        scale=alt.Scale(type="log", nice=False),
        axis=decades(),
    )
    tip = told_tooltip(frame, "sigma", "noise level")
    return lines(frame, x, axis, "Noise level", tip, fixed=color)


def log_snr(steps: pd.DataFrame, x: str, color: str | None = None) -> alt.LayerChart:
    """Return the log signal-to-noise ratio, -2 ln sigma, against the axis."""
    frame = require(steps, where_columns("log_snr"), "log-SNR")
    frame = edged(frame[frame["log_snr"] < np.inf])
    axis = alt.Y("log_snr:Q", title="log-SNR (nat)")
    tip = told_tooltip(frame, "log_snr", "log-SNR")
    return lines(frame, x, axis, "Log signal-to-noise ratio", tip, fixed=color)
