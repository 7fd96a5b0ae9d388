"""A curve being made beside another: its noise levels, its steps, and where it is wrong."""

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.base import (
    HEIGHT,
    decades,
    edged,
    layered,
    legend,
    require,
    told_tooltip,
)

COLUMNS = ("series", "step", "sigma", "log_snr", "ratio")
PROBLEMS = ("step", "sigma", "problem")
COLORS = ("#6667ff", "#d25200")
WRONG = "#e62b34"


def curve_table(curves: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return one row a step and curve, for the charts.

    Args:
        curves: By name, sigmas with the last 0.

    Returns:
        Columns ``COLUMNS``; ``ratio`` is the next sigma over this one; the last row of a curve has
        none.
    """
    parts = []
    for name, sigmas in curves.items():
        positive = np.where(sigmas > 0, sigmas, np.nan)
        following = np.append(sigmas[1:], np.nan)
        parts.append(
            pd.DataFrame(
                {
                    "series": name,
                    "step": np.arange(len(sigmas)),
                    "sigma": sigmas,
                    "log_snr": -2 * np.log(positive),
                    "ratio": following / positive,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def of_times(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table of curves of flow matching's times, with sigma and log-SNR on their axes.

    Args:
        frame: Of ``curve_table``, its ``sigma`` the times.
    """
    time = frame["sigma"]
    with np.errstate(divide="ignore"):
        sigmas = (time / (1.0 - time)).where(time != 1, np.inf)
        log_snr = -2 * np.log(sigmas.where(sigmas > 0))
    return frame.assign(sigma=sigmas, log_snr=log_snr, flow_time=time)


def sigma(frame: pd.DataFrame, problems: pd.DataFrame) -> alt.LayerChart:
    """Return the noise level at each step, on a log scale, with the problems marked.

    Of flow matching it is the time t, on a linear scale.
    """
    rows = require(frame, COLUMNS, "noise level")
    if "flow_time" in rows:
        return _times(rows, problems)
    rows = rows[np.isfinite(rows["sigma"]) & (rows["sigma"] > 0)]
    y = alt.Y(
        "sigma:Q",
        title="sigma (log scale)",
        scale=alt.Scale(type="log", nice=False),
        axis=decades(),
    )
    marks = _marks(problems)
    shown = problems[np.isfinite(problems["sigma"]) & (problems["sigma"] > 0)]
    cross = (
        alt.Chart(shown)
        .mark_point(shape="cross", angle=45, size=140, filled=True, color=WRONG)
        .encode(x=_x(), y=alt.Y("sigma:Q"), tooltip=_problem_tooltips())
    )
    return _finished([*marks, *_lines(rows, y), *[cross] * bool(len(shown))], "Noise level")


def _times(rows: pd.DataFrame, problems: pd.DataFrame) -> alt.LayerChart:
    rows = edged(rows[np.isfinite(rows["flow_time"])])
    y = alt.Y("flow_time:Q", title="flow time t", scale=alt.Scale(zero=True))
    shown = problems[np.isfinite(problems["sigma"])]
    cross = (
        alt.Chart(shown)
        .mark_point(shape="cross", angle=45, size=140, filled=True, color=WRONG)
        .encode(x=_x(), y=alt.Y("sigma:Q"), tooltip=_problem_tooltips())
    )
    layers = [*_marks(problems), *_lines(rows, y), *[cross] * bool(len(shown))]
    return _finished(layers, "Time of each step")


def log_snr(frame: pd.DataFrame, problems: pd.DataFrame) -> alt.LayerChart:
    """Return the log signal-to-noise ratio at each step."""
    rows = edged(require(frame, COLUMNS, "log-SNR").dropna(subset=["log_snr"]))
    y = alt.Y("log_snr:Q", title="log-SNR (nat)")
    return _finished([*_marks(problems), *_lines(rows, y)], "Log signal-to-noise ratio")


def ratio(frame: pd.DataFrame, problems: pd.DataFrame) -> alt.LayerChart:
    """Return how much of the noise each step leaves; 0 is the jump to the clean picture."""
    rows = require(frame, COLUMNS, "step ratio")
    rows = edged(rows[np.isfinite(rows["ratio"])])
    what = "t" if "flow_time" in rows else "sigma"
    y = alt.Y("ratio:Q", title=f"next {what} / {what}", scale=alt.Scale(zero=True))
    return _finished([*_marks(problems), *_lines(rows, y)], "Noise left by each step")


def _x() -> alt.X:
    axis = alt.Axis(format="d", tickMinStep=1, grid=False)
    return alt.X("step:Q", title="solver step", axis=axis, scale=alt.Scale(nice=False))


def _lines(rows: pd.DataFrame, y: alt.Y) -> list[alt.Chart]:
    names = list(dict.fromkeys(rows["series"]))
    color = alt.Color(
        "series:N",
        title=None,
        scale=alt.Scale(domain=names, range=list(COLORS[: len(names)])),
        legend=legend(),
    )
    tooltip = [
        alt.Tooltip("series:N", title="curve"),
        alt.Tooltip("step:Q", title="step", format="d"),
        told_tooltip(rows, "sigma", "sigma"),
        told_tooltip(rows, "log_snr", "log-SNR", ".3f"),
        alt.Tooltip("ratio:Q", title="next / this", format=".3f"),
    ]
    if "flow_time" in rows:
        tooltip.append(alt.Tooltip("flow_time:Q", title="flow time t", format=".4g"))
    base = alt.Chart(rows).encode(x=_x(), y=y, color=color, tooltip=tooltip)
    return [base.mark_line(strokeWidth=2), base.mark_circle(size=34, opacity=1)]


def _marks(problems: pd.DataFrame) -> list[alt.Chart]:
    rows = require(problems, PROBLEMS, "problems")
    if rows.empty:
        return []
    rule = alt.Chart(rows).mark_rule(color=WRONG, strokeWidth=6, opacity=0.25)
    return [rule.encode(x=_x(), tooltip=_problem_tooltips())]


def _problem_tooltips() -> list[alt.Tooltip]:
    return [alt.Tooltip("step:Q", format="d"), alt.Tooltip("problem:N", title="problem")]


def _finished(layers: list[alt.Chart], title: str) -> alt.LayerChart:
    return layered(*layers).properties(
        title=alt.TitleParams(title, anchor="start", fontSize=14), height=HEIGHT
    )
