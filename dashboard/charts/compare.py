"""A comparison step by step: distances, statistics and noise levels of all samplers on one axis."""

from collections.abc import Mapping

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.base import decades, edged, layered, require, told_tooltip
from dashboard.charts.many import legend_height, many_lines

HEIGHT = 380
AROUND = 140
"""What title, axis and its labels take of a chart's height, in pixels."""
SMALLEST = 1e-6  # below is rounding, which would stretch a log axis
_POWERS = [10.0**power for power in range(-7, 3)]
_BETWEEN = [digit * power for power in _POWERS for digit in (1, 2, 5)]
X_AXES = ("step", "sigma", "evaluation", "share")
DISTANCES = ("x0_to_end", "x0_distance", "x_t_distance")
STATISTICS = ("x_t_std", "x0_pred_std", "x_t_mean", "x0_pred_mean")
MEASURES = {
    "x0_to_end": ("x0_pred to the converged picture", "distance (std)"),
    "x0_distance": ("x0_pred to the reference's at the same sigma", "distance (std)"),
    "x_t_distance": ("x_t to the reference's at the same sigma", "distance (std)"),
    "x_t_std": ("Spread of x_t", "standard deviation (latent units)"),
    "x0_pred_std": ("Spread of x0_pred", "standard deviation (latent units)"),
    "x_t_mean": ("Mean of x_t", "mean (latent units)"),
    "x0_pred_mean": ("Mean of x0_pred", "mean (latent units)"),
    "sigma": ("Noise level", "noise level sigma"),
}
_LOGARITHMIC = (*DISTANCES, "sigma")
_ACROSS = {
    "step": ("at", "solver step"),
    "evaluation": ("evaluation", "network evaluation"),
    "share": ("share", "share of the evaluations done"),
    "sigma": ("sigma", "noise level sigma (log scale)"),
}


def per_step(
    steps: pd.DataFrame,
    measure: str,
    x: str,
    colors: Mapping[str, str],
    dashes: Mapping[str, list[int]],
) -> alt.LayerChart:
    """Return one line a sampler through its evaluations.

    Args:
        steps: The comparison's ``steps`` of one picture, or their means over pictures.
        measure: A name of ``MEASURES``.
        x: "step", "sigma", "evaluation" or "share".
        colors: The colour of each entrant, in the legend's order.
        dashes: The dash pattern of each entrant.

    Raises:
        ValueError: If a name is another, a column is missing or there are too many rows.
    """
    check("measure", measure, MEASURES)
    check("x", x, _ACROSS)
    title, unit = MEASURES[measure]
    columns = ("entrant", "step", "evaluation", "share", "sigma", measure)
    rows = edged(placed(require(steps, columns, title)))
    log = measure in _LOGARITHMIC
    rows = rows.dropna(subset=[measure])
    rows = rows[rows[measure] > SMALLEST] if log else rows
    vertical = alt.Y(
        f"{measure}:Q",
        title=unit + (", log scale" if log else ""),
        scale=alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False),
        axis=powers(rows[measure])
        if measure in DISTANCES
        else decades()
        if log
        else alt.Axis(tickCount=6),
    )
    tips = [
        alt.Tooltip("entrant:N", title="sampler"),
        told_tooltip(rows, measure, title[0].lower() + title[1:]),
        alt.Tooltip("step:Q", title="step", format="d"),
        alt.Tooltip("evaluation:Q", title="evaluation", format="d"),
        told_tooltip(rows, "sigma", "sigma"),
    ]
    present = {name: colors[name] for name in colors if name in set(rows["entrant"])}
    points = alt.Chart(rows).encode(x=_across(x), y=vertical, tooltip=tips)
    layers = many_lines(points, present, dashes, order="evaluation", series="entrant")
    return layered(*layers).properties(title=titled(title), height=HEIGHT + legend_height(present))


def placed(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with a column ``at``: the step, its evaluations spread evenly over it."""
    group = steps.sort_values("evaluation").groupby(["entrant", "step"], sort=False)["evaluation"]
    share = group.cumcount() / group.transform("size")
    return steps.assign(at=steps["step"] + share.reindex(steps.index))


def powers(values: pd.Series) -> alt.Axis:
    """Return the log axis of errors and distances: ticks at powers of ten, or closer for few."""
    known = values[np.isfinite(values) & (values > 0)].astype(float)
    wide = len(known) and known.max() / known.min() > 300
    return alt.Axis(values=_POWERS if wide else _BETWEEN, format="~g", labelOverlap="greedy")


def doublings(field: str, title: str, values: pd.Series) -> alt.X:
    """Return a log axis whose ticks double, cut to the values."""
    known = values[np.isfinite(values) & (values > 0)].astype(float)
    low, high = (known.min(), known.max()) if len(known) else (1.0, 2.0)
    return alt.X(
        f"{field}:Q",
        title=title,
        scale=alt.Scale(type="log", base=2, nice=False, domain=[low / 1.15, high * 1.2]),
        axis=alt.Axis(
            values=[2.0**power for power in range(-10, 14)],
            format="~g",
            grid=False,
            labelOverlap="greedy",
        ),
    )


def titled(text: str) -> alt.TitleParams:
    """Return a chart's heading."""
    return alt.TitleParams(text, anchor="start", fontSize=14)


def check(name: str, value: str, allowed: "Mapping[str, object] | tuple[str, ...]") -> None:
    """Refuse a name that is not among the allowed.

    Raises:
        ValueError: If it is not.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}.")


def _across(name: str) -> alt.X:
    field, title = _ACROSS[name]
    if name == "sigma":
        scale = alt.Scale(type="log", reverse=True, nice=False)
        return alt.X(f"{field}:Q", title=title, scale=scale, axis=decades(grid=False))
    if name == "share":
        axis = alt.Axis(format="%", grid=False, tickCount=5)
        return alt.X(f"{field}:Q", title=title, axis=axis, scale=alt.Scale(nice=False))
    axis = alt.Axis(format="d", tickMinStep=1, grid=False)
    return alt.X(f"{field}:Q", title=title, axis=axis, scale=alt.Scale(nice=False))
