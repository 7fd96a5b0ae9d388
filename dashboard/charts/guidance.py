"""What guidance does: the norms of both noise predictions, of their difference, their cosine.

With flow matching they are velocities.
"""

import altair as alt
import pandas as pd

from dashboard.charts.base import legend, lines, require, value_tooltip, where_columns

HALVES = {"eps_cond_norm": "with the prompt", "eps_uncond_norm": "without"}


def eps_norms(steps: pd.DataFrame, x: str) -> alt.LayerChart:
    """Return the norm of the predicted noise with and without the prompt; one line without CFG."""
    frame = require(steps, where_columns(*HALVES), "noise norms")
    places = [name for name in frame.columns if name not in HALVES]
    long = frame.melt(places, list(HALVES), "half", "norm").dropna(subset=["norm"])
    long["half"] = long["half"].map(HALVES)
    title = "velocity" if "flow_time" in steps else "eps"
    color = alt.Color("half:N", title=title, sort=list(HALVES.values()), legend=legend())
    y = alt.Y("norm:Q", title="norm (latent units)", scale=alt.Scale(zero=False))
    return lines(long, x, y, _what(steps), value_tooltip("norm", "norm"), color)


def guidance_norm(steps: pd.DataFrame, x: str) -> alt.LayerChart:
    """Return the norm of the difference that guidance multiplies."""
    frame = require(steps, where_columns("guidance_norm"), "guidance norm").dropna()
    y = alt.Y("guidance_norm:Q", title="norm (latent units)")
    tip = value_tooltip("guidance_norm", "norm")
    return lines(frame, x, y, "Norm of cond - uncond", tip)


def cosine(steps: pd.DataFrame, x: str) -> alt.LayerChart:
    """Return the cosine between both noise predictions; 1 where the prompt changes nothing."""
    frame = require(steps, where_columns("cosine"), "cosine").dropna()
    y = alt.Y("cosine:Q", title="cosine (no unit)", scale=alt.Scale(zero=False))
    return lines(frame, x, y, "Cosine of cond and uncond", value_tooltip("cosine", "cosine"))


def _what(steps: pd.DataFrame) -> str:
    kind = "velocity" if "flow_time" in steps else "noise"
    return f"Norm of the predicted {kind}"
