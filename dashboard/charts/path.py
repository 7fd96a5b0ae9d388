"""The way through latent space: how far each step goes, and how much it turns."""

import altair as alt
import pandas as pd

from dashboard.charts.base import lines, require, value_tooltip, where_columns


def displacement(steps: pd.DataFrame, x: str) -> alt.LayerChart:
    """Return the distance to the next evaluated point, in VE coordinates."""
    frame = require(steps, where_columns("displacement"), "displacement").dropna()
    y = alt.Y("displacement:Q", title="distance (latent units)")
    tip = value_tooltip("displacement", "distance")
    return lines(frame, x, y, "Displacement", tip)


def angle(steps: pd.DataFrame, x: str) -> alt.LayerChart:
    """Return the angle between successive displacements; 0 on a straight path."""
    frame = require(steps, where_columns("angle_deg"), "angle").dropna()
    y = alt.Y("angle_deg:Q", title="angle (degrees)")
    tip = value_tooltip("angle_deg", "angle (degrees)")
    return lines(frame, x, y, "Angle of each turn", tip)
