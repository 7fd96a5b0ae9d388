"""What a model was trained on: its loss over the timesteps, their weights, DDPM's two variances.

The tables are those of ``sdlab.objective.loss_curve`` and ``sdlab.objective.chain``.
"""

import altair as alt
import pandas as pd

from dashboard.charts.base import HEIGHT, decades, layered, legend, require

CONDITIONINGS = {"caption": "with its caption", "none": "with none"}
WEIGHTS = {"simple": "simple loss", "min_snr": "min-SNR, gamma 5", "elbo": "variational bound"}
GREY = "#8a90a3"
LOWEST = 20.0
"""The mean over this is the least that an interval is drawn down to: a log axis has no 0."""


def loss_over_t(table: pd.DataFrame, at: float | None = None) -> alt.LayerChart:
    """Return the loss at each timestep with its interval, with a caption and with none.

    Args:
        table: Columns ``conditioning``, ``timestep``, ``sigma``, ``loss``, ``low``, ``high``,
            ``noises``; of flow matching ``flow_time``.
        at: The chosen place on the horizontal axis, marked.
    """
    columns = ("conditioning", "timestep", "sigma", "loss", "low", "high", "noises")
    frame = require(table, columns, "loss over t")
    frame = frame.assign(
        conditioning=frame["conditioning"].map(CONDITIONINGS),
        drawn=frame["low"].clip(lower=frame["loss"] / LOWEST),
    )
    base = alt.Chart(frame).encode(
        x=_x(frame),
        color=alt.Color(
            "conditioning:N", title=None, sort=list(CONDITIONINGS.values()), legend=legend()
        ),
        tooltip=[
            alt.Tooltip("conditioning:N", title="asked"),
            *_where(frame),
            alt.Tooltip("loss:Q", title="loss", format=".4g"),
            alt.Tooltip("low:Q", title="95 % from", format=".4g"),
            alt.Tooltip("high:Q", title="to", format=".4g"),
            alt.Tooltip("noises:Q", title="noises", format="d"),
        ],
    )
    y = alt.Y("loss:Q", title="mean squared error (log scale)", scale=_log(), axis=decades())
    band = base.mark_area(opacity=0.2).encode(y=alt.Y("drawn:Q", scale=_log()), y2="high:Q")
    line, dots = base.mark_line(strokeWidth=2).encode(y=y), base.mark_circle(size=34, opacity=1)
    return _titled([band, line, dots.encode(y=y)], "Loss over the noise level", frame, at)


def weights(table: pd.DataFrame, at: float | None = None) -> alt.LayerChart:
    """Return how much the error counts at each timestep under three losses.

    Args:
        table: Columns ``timestep``, ``sigma``, ``simple``, ``min_snr``, ``elbo``; of flow matching
            ``flow_time``.
        at: The chosen place on the horizontal axis, marked.
    """
    frame = require(table, ("timestep", "sigma", *WEIGHTS), "weights")
    where = [name for name in frame if name not in WEIGHTS]
    long = frame.melt(where, list(WEIGHTS), "loss", "weight")
    long = long.assign(loss=long["loss"].map(WEIGHTS))
    base = alt.Chart(long).encode(
        x=_x(long),
        y=alt.Y("weight:Q", title="weight / its mean (log scale)", scale=_log(), axis=decades()),
        color=alt.Color("loss:N", title=None, sort=list(WEIGHTS.values()), legend=legend()),
        tooltip=[
            alt.Tooltip("loss:N", title="loss"),
            *_where(long),
            alt.Tooltip("weight:Q", title="weight", format=".4g"),
        ],
    )
    return _titled([base.mark_line(strokeWidth=2)], "How much each noise level counts", long, at)


def variances(table: pd.DataFrame, at: float | None = None) -> alt.LayerChart:
    """Return beta_tilde over beta at each timestep, the axis logarithmic in t.

    Args:
        table: Columns ``timestep``, from 1, ``beta``, ``beta_tilde``.
        at: The chosen timestep, marked.
    """
    frame = require(table, ("timestep", "beta", "beta_tilde"), "variances")
    frame = frame.assign(ratio=frame["beta_tilde"] / frame["beta"])
    x = alt.X(
        "timestep:Q",
        title="timestep t (log scale)",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(format="d", grid=False),
    )
    base = alt.Chart(frame).encode(
        x=x,
        y=alt.Y("ratio:Q", title="beta_tilde / beta", scale=alt.Scale(domain=[0, 1])),
        tooltip=[
            alt.Tooltip("timestep:Q", title="timestep", format="d"),
            alt.Tooltip("beta:Q", title="beta", format=".4g"),
            alt.Tooltip("beta_tilde:Q", title="beta_tilde", format=".4g"),
            alt.Tooltip("ratio:Q", title="ratio", format=".4g"),
        ],
    )
    layers = [base.mark_line(strokeWidth=2)]
    if at is not None and at >= 1:
        rule = alt.Chart(pd.DataFrame({"timestep": [at]})).mark_rule(color=GREY, strokeDash=[4, 3])
        layers.append(rule.encode(x=x))
    return layered(*layers).properties(title=_title("The two variances of a step back"), height=200)


def _x(frame: pd.DataFrame) -> alt.X:
    flow = "flow_time" in frame
    return alt.X(
        "flow_time:Q" if flow else "timestep:Q",
        title="flow time t (1 is noise alone)" if flow else "training timestep t",
        axis=alt.Axis(grid=False, tickCount=6),
    )


def _where(frame: pd.DataFrame) -> list[alt.Tooltip]:
    flow = [alt.Tooltip("flow_time:Q", title="t", format=".4g")] * ("flow_time" in frame)
    step = alt.Tooltip("timestep:Q", title="timestep", format="d")
    return [step, *flow, alt.Tooltip("sigma:Q", title="sigma", format=".4g")]


def _log() -> alt.Scale:
    return alt.Scale(type="log", nice=False)


def _title(text: str) -> alt.TitleParams:
    return alt.TitleParams(text, anchor="start", fontSize=14)


def _titled(
    layers: list[alt.Chart], title: str, frame: pd.DataFrame, at: float | None
) -> alt.LayerChart:
    if at is not None:
        name = "flow_time" if "flow_time" in frame else "timestep"
        rule = alt.Chart(pd.DataFrame({name: [at]})).mark_rule(color=GREY, strokeDash=[4, 3])
        layers = [*layers, rule.encode(x=alt.X(f"{name}:Q"))]
    return layered(*layers).properties(title=_title(title), height=HEIGHT)
