"""Charts of the Learn page that no other page has: a run's own loss, and two ways of mixing."""

import altair as alt
import pandas as pd

from dashboard.charts.base import legend, lines, require, value_tooltip, where_columns

SHARES = {"vp_noise": "noise in VP", "flow_noise": "noise in flow matching"}


def own_loss(frame: pd.DataFrame) -> alt.LayerChart:
    """Return the mean squared error of a run's predictions against the picture it came to.

    Args:
        frame: The kept evaluations of the run's steps table, with ``loss``.
    """
    rows = require(frame, where_columns("loss"), "loss of each evaluation")
    scale = alt.Scale(type="log", nice=False)
    y = alt.Y("loss:Q", title="mean squared error (log scale)", scale=scale)
    return lines(rows, "step", y, "Loss of each evaluation", value_tooltip("loss", "loss"))


def shares(frame: pd.DataFrame) -> alt.LayerChart:
    """Return how much noise the network is given at each evaluation, mixed in two ways.

    Args:
        frame: The steps table with ``vp_noise`` and ``flow_noise``.
    """
    rows = require(frame, where_columns(*SHARES), "share of the noise")
    places = [name for name in rows.columns if name not in SHARES]
    long = rows.melt(places, list(SHARES), "mixture", "share")
    long["mixture"] = long["mixture"].map(SHARES)
    color = alt.Color("mixture:N", title=None, sort=list(SHARES.values()), legend=legend())
    y = alt.Y("share:Q", title="factor of the noise", scale=alt.Scale(domain=[0, 1]))
    tip = value_tooltip("share", "factor of the noise")
    return lines(long, "step", y, "The same noise level, mixed in two ways", tip, color)
