"""Many schedules on one axis: their noise levels, and how far each step goes."""

from collections.abc import Mapping
from zlib import crc32

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.base import (
    MAX_ROWS,
    decades,
    edged,
    layered,
    require,
    told_tooltip,
    value_tooltip,
)
from dashboard.charts.many import legend_height, many_lines

HEIGHTS = {"level": 420, "ratio": 300}
Y_AXES = ("sigma", "log-SNR", "alpha_bar", "timestep")
X_AXES = ("step", "timestep", "NFE")
TIME = "flow time"
"""An axis of flow matching's schedules alone, before the others."""
LOGARITHMIC = ("sigma", "alpha_bar")
_DASHES = (
    [7, 3], [2, 2], [10, 3, 2, 3], [4, 4], [12, 4], [1, 3], [7, 2, 2, 2, 2, 2], [3, 6], [14, 2],
    [5, 2, 1, 2], [9, 6], [2, 5], [6, 1],
)  # fmt: skip
_CURVES = (
    "karras", "exponential", "trailing", "linspace", "leading", "beta", "sgm_uniform", "vp",
    "polyexponential", "lcm", "ays_sd15", "ays_sdxl",
)  # fmt: skip
_FIELDS = {
    "sigma": ("sigma", "noise level sigma"),
    "log-SNR": ("log_snr", "log-SNR (nat)"),
    "alpha_bar": ("alpha_bar", "alpha_bar (share of signal variance)"),
    "timestep": ("timestep", "training timestep"),
    TIME: ("flow_time", "flow time t"),
}
_PLACES = {
    "step": ("at", "solver step"),
    "timestep": ("timestep", "training timestep"),
    "NFE": ("nfe", "network evaluations made"),
    TIME: ("flow_time", "flow time t"),
}
_GREY = "#8a90a3"


def dash(curve: str | None) -> list[int]:
    """Return the dash pattern of a curve; the same curve always has the same, None is solid."""
    if curve is None:
        return [1, 0]
    known = _CURVES.index(curve) if curve in _CURVES else crc32(curve.encode()) % len(_DASHES)
    return list(_DASHES[known])


def distinct_dashes(looks: Mapping[str, tuple[str, str | None]]) -> dict[str, list[int]]:
    """Return a dash pattern for each line, so that no two of one colour look the same.

    Args:
        looks: The colour and the curve of each line, by its name.
    """
    found: dict[str, list[int]] = {}
    for name, (color, curve) in looks.items():
        pattern, extra = dash(curve), 0
        taken = [found[other] for other in found if looks[other][0] == color]
        while pattern in taken:
            extra += 1
            pattern = [*dash(curve), 1 + extra, 3]
        found[name] = pattern
    return found


def drawn_columns(x: str, y: str) -> tuple[str, str, str]:
    """Return the columns that the charts draw on these axes, the step ratio's the last."""
    return _PLACES[x][0], _FIELDS[y][0], "ratio"


def levels(
    frame: pd.DataFrame,
    training: pd.DataFrame,
    x: str,
    y: str,
    log: bool,
    colors: Mapping[str, str],
    dashes: Mapping[str, list[int]],
) -> alt.LayerChart:
    """Return every schedule as a line, the training schedules grey behind them.

    Args:
        frame: Columns ``series``, ``step``, ``at``, ``nfe``, ``timestep``, ``sigma``, ``log_snr``,
            ``alpha_bar``.
        training: The same columns but ``nfe``, or no rows.
        x: "step", "timestep" or "NFE"; of flow matching also ``TIME``.
        y: "sigma", "log-SNR", "alpha_bar" or "timestep"; of flow matching also ``TIME``.
        log: A logarithmic axis, for sigma and alpha_bar.
        colors: The colour of each series, in the legend's order.
        dashes: The dash pattern of each series.

    Raises:
        ValueError: If an axis is unknown, a column is missing or there are too many rows.
    """
    own = (TIME,) * ("flow_time" in frame)
    _check(x, (*X_AXES, *own), "x")
    _check(y, (*Y_AXES, *own), "y")
    field, title = _FIELDS[y]
    place, _ = _PLACES[x]
    log = log and y in LOGARITHMIC
    columns = ["series", "step", "at", "nfe", "timestep", "sigma", "log_snr", "alpha_bar"]
    rows = _drawable(require(frame, columns, "noise schedules"), place, field, log)
    behind = _drawable(
        require(training, [c for c in columns if c != "nfe"], "training schedules").assign(
            nfe=training["at"]
        ),
        place,
        field,
        log,
    )
    if len(rows) + len(behind) > MAX_ROWS:
        raise ValueError(f"{len(rows) + len(behind)} rows are too many; at most {MAX_ROWS}.")
    axis = decades() if log else alt.Axis(tickCount=7)
    vertical = alt.Y(
        f"{field}:Q",
        title=title + (" (log scale)" if log else ""),
        scale=alt.Scale(type="log", nice=False) if log else alt.Scale(nice=False, zero=False),
        axis=axis,
    )
    layers = _layers(rows, _across(x), vertical, colors, dashes, legend=True)
    if len(behind):
        layers = [*_backdrop(behind, _across(x), vertical, field, title), *layers]
    height = HEIGHTS["level"] + legend_height(colors)
    return layered(*layers).properties(title=_title("Noise schedules"), height=height)


def ratios(
    frame: pd.DataFrame, x: str, colors: Mapping[str, str], dashes: Mapping[str, list[int]]
) -> alt.LayerChart:
    """Return how far each step goes: sigma at its end over sigma at its start.

    Args:
        frame: As for ``levels``, and ``ratio``; the rows without one are left out.
        x: "step", "timestep" or "NFE"; of flow matching also ``TIME``.
        colors: The colour of each series.
        dashes: The dash pattern of each series.

    Raises:
        ValueError: If the axis is unknown or a column is missing.
    """
    _check(x, (*X_AXES, *((TIME,) * ("flow_time" in frame))), "x")
    columns = ["series", "step", "at", "nfe", "timestep", "sigma", "log_snr", "alpha_bar", "ratio"]
    rows = _drawable(require(frame, columns, "step ratios"), _PLACES[x][0], "ratio", False)
    title = _ratio_title(rows)
    vertical = alt.Y("ratio:Q", title=title, scale=alt.Scale(domain=[0, 1], clamp=True))
    layers = _layers(rows, _across(x), vertical, colors, dashes, legend=False)
    return layered(*layers).properties(
        title=_title("Step ratio: what a step leaves of the noise"), height=HEIGHTS["ratio"]
    )


def _ratio_title(rows: pd.DataFrame) -> str:
    return "t_next / t" if "flow_time" in rows.columns else "sigma_next / sigma"


def _layers(
    rows: pd.DataFrame,
    across: alt.X,
    vertical: alt.Y,
    colors: Mapping[str, str],
    dashes: Mapping[str, list[int]],
    legend: bool,
) -> list[alt.Chart]:
    points = alt.Chart(rows).encode(x=across, y=vertical, tooltip=_tooltips(rows))
    return many_lines(points, colors, dashes, order="nfe", legend=legend)


def _backdrop(
    behind: pd.DataFrame, across: alt.X, vertical: alt.Y, field: str, title: str
) -> list[alt.Chart]:
    tips = [
        alt.Tooltip("series:N", title="training"),
        value_tooltip(field, title),
        alt.Tooltip("timestep:Q", title="timestep", format=".0f"),
    ]
    base = alt.Chart(behind).encode(x=across, y=vertical, detail="series:N", tooltip=tips)
    line = base.mark_line(strokeWidth=5, opacity=0.28, color=_GREY).encode(order=alt.Order("at:Q"))
    places = behind.groupby("series", sort=False).cumcount()
    share = behind.groupby("series", sort=False)["at"].transform("size")
    number = pd.Series(pd.factorize(behind["series"])[0], index=behind.index)
    spots = behind[places == (share * (0.1 + 0.17 * (number % 5))).astype(int)]
    text = (
        alt.Chart(spots)
        .mark_text(align="left", dx=6, dy=-9, fontSize=11, color=_GREY)
        .encode(x=across, y=vertical, text="series:N")
    )
    return [line, text]


def _across(name: str) -> alt.X:
    field, title = _PLACES[name]
    if name in ("timestep", TIME):
        scale = alt.Scale(reverse=True, nice=False)
        axis = alt.Axis(grid=False, format="d" if name == "timestep" else "~g")
        return alt.X(f"{field}:Q", title=title, scale=scale, axis=axis)
    axis = alt.Axis(format="d", tickMinStep=1, grid=False)
    return alt.X(f"{field}:Q", title=title, axis=axis, scale=alt.Scale(nice=False))


def _tooltips(rows: pd.DataFrame) -> list[alt.Tooltip]:
    tips = [
        alt.Tooltip("series:N", title="sampler"),
        alt.Tooltip("step:Q", title="step", format="d"),
        alt.Tooltip("nfe:Q", title="evaluations before", format="d"),
        alt.Tooltip("timestep:Q", title="timestep", format=".1f"),
        told_tooltip(rows, "sigma", "sigma"),
        told_tooltip(rows, "log_snr", "log-SNR"),
        value_tooltip("alpha_bar", "alpha_bar"),
    ]
    if "flow_time" in rows:
        tips.append(value_tooltip("flow_time", "flow time t"))
    return [*tips, value_tooltip("ratio", _ratio_title(rows))] if "ratio" in rows else tips


def _drawable(frame: pd.DataFrame, x: str, y: str, log: bool) -> pd.DataFrame:
    if x not in frame or y not in frame:
        return frame.iloc[:0]
    frame = edged(frame)
    values = frame[[x, y]].to_numpy(dtype=float)
    keep = np.isfinite(values).all(axis=1)
    return frame[keep & (values[:, 1] > 0)] if log else frame[keep]


def _title(text: str) -> alt.TitleParams:
    return alt.TitleParams(text, anchor="start", fontSize=14)


def _check(value: str, allowed: tuple[str, ...], name: str) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}.")
