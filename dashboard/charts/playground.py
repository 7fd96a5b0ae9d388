"""The playground in the plane: drawn points over the truth, the field, the loss, the distances."""

import altair as alt
import pandas as pd

from dashboard.charts.base import layered, require

SIDE = 300
REACH = 2.5
GREY = "#8a90a3"
DRAWN = "#d25200"


def cloud(truth: pd.DataFrame, drawn: pd.DataFrame | None = None) -> alt.LayerChart:
    """Return points of the truth in grey and, upon them, those that a network draws.

    Args:
        truth: Columns ``x``, ``y``.
        drawn: The same; None while there are none.
    """
    layers = [_points(require(truth, ("x", "y"), "points"), GREY, "truth")]
    if drawn is not None:
        layers.append(_points(require(drawn, ("x", "y"), "points"), DRAWN, "drawn"))
    title = "The truth" if drawn is None else "Drawn points over the truth"
    return layered(*layers).properties(title=_title(title), width=SIDE, height=SIDE)


def field(truth: pd.DataFrame, arrows: pd.DataFrame) -> alt.LayerChart:
    """Return arrows that say where the network thinks the data lie, over the truth.

    Args:
        truth: Columns ``x``, ``y``.
        arrows: Columns ``x``, ``y``, ``to_x``, ``to_y``: x0_pred - x_t at a place.
    """
    frame = require(arrows, ("x", "y", "to_x", "to_y"), "field").assign(
        end_x=lambda f: f["x"] + f["to_x"] / 6,
        end_y=lambda f: f["y"] + f["to_y"] / 6,
        length=lambda f: (f["to_x"] ** 2 + f["to_y"] ** 2) ** 0.5,
    )
    base = alt.Chart(frame).encode(
        x=_x(), y=_y(),
        tooltip=[
            alt.Tooltip("x:Q", format=".2f"), alt.Tooltip("y:Q", format=".2f"),
            alt.Tooltip("length:Q", title="length", format=".3f"),
        ],
    )  # fmt: skip
    shafts = base.mark_rule(color=DRAWN, strokeWidth=1.2, clip=True)
    heads = alt.Chart(frame).mark_circle(color=DRAWN, size=12, opacity=1, clip=True)
    layers = [
        _points(require(truth, ("x", "y"), "points"), GREY, "truth"),
        shafts.encode(x2="end_x:Q", y2="end_y:Q"),
        heads.encode(x=alt.X("end_x:Q", scale=_scale()), y=alt.Y("end_y:Q", scale=_scale())),
    ]
    return layered(*layers).properties(
        title=_title("Where the network sees the data"), width=SIDE, height=SIDE
    )


def loss(table: pd.DataFrame) -> alt.Chart:
    """Return the training loss over the optimizer's steps.

    Args:
        table: Columns ``step``, ``loss``.
    """
    frame = require(table, ("step", "loss"), "training loss")
    chart = alt.Chart(frame).mark_line(strokeWidth=2)
    drawn: alt.Chart = chart.encode(
        x=alt.X("step:Q", title="optimizer step", axis=alt.Axis(format="d", grid=False)),
        y=alt.Y("loss:Q", title="training loss", scale=alt.Scale(zero=False)),
        tooltip=[
            alt.Tooltip("step:Q", title="step", format="d"),
            alt.Tooltip("loss:Q", title="loss", format=".4f"),
        ],
    )
    return drawn.properties(title=_title("Training loss"), height=200)


def distances(table: pd.DataFrame) -> alt.LayerChart:
    """Return the distances to the truth with their intervals, one below the other.

    Args:
        table: Columns ``points``, ``distance``, ``low``, ``high``.
    """
    frame = require(table, ("points", "distance", "low", "high"), "distances")
    base = alt.Chart(frame).encode(
        y=alt.Y(
            "points:N", title=None, sort=None, axis=alt.Axis(labelLimit=220, labelOverlap=False)
        ),
        tooltip=[
            alt.Tooltip("points:N", title="points of"),
            alt.Tooltip("distance:Q", format=".4f"),
            alt.Tooltip("low:Q", title="95 % from", format=".4f"),
            alt.Tooltip("high:Q", title="to", format=".4f"),
        ],
    )
    x = alt.X("distance:Q", title="sliced Wasserstein distance (standard deviations)")
    bars = base.mark_rule(strokeWidth=2.5, color=DRAWN).encode(x=alt.X("low:Q"), x2="high:Q")
    dots = base.mark_circle(size=70, opacity=1, color=DRAWN).encode(x=x)
    return layered(bars, dots).properties(title=_title("Distance to the truth"), height=190)


def _points(frame: pd.DataFrame, color: str, what: str) -> alt.Chart:
    chart = alt.Chart(frame.assign(what=what))
    chart = chart.mark_circle(size=11, opacity=0.55 if color == GREY else 0.8, color=color)
    drawn: alt.Chart = chart.encode(
        x=_x(), y=_y(), tooltip=[alt.Tooltip("what:N", title="points of")]
    )
    return drawn


def _scale() -> alt.Scale:
    return alt.Scale(domain=[-REACH, REACH], nice=False, clamp=True)


def _x() -> alt.X:
    return alt.X("x:Q", title=None, scale=_scale(), axis=alt.Axis(grid=False, tickCount=5))


def _y() -> alt.Y:
    return alt.Y("y:Q", title=None, scale=_scale(), axis=alt.Axis(grid=False, tickCount=5))


def _title(text: str) -> alt.TitleParams:
    return alt.TitleParams(text, anchor="start", fontSize=14)
