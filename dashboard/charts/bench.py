"""The solver bench: error against cost on log axes, and paths in 2-D over the density."""

import base64
import io
import math

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.base import HEIGHT, edged, layered, require, told_tooltip
from dashboard.charts.many import legend_columns

COSTS = {"nfe": "evaluations of the denoiser", "num_steps": "solver steps"}
SIDE = 340
NOTHING = 1e-12  # below is rounding
_GREY = "#8a90a3"
_PATHS = "#d25200"
_CLOUD = (102, 103, 255)
_POWERS = [10.0**power for power in range(-12, 3)]
_DOUBLINGS = [2**power for power in range(13)]


def convergence(errors: pd.DataFrame, cost: str, colors: dict[str, str]) -> alt.LayerChart:
    """Return error against cost, one line a solver, with guide slopes and floors.

    Args:
        errors: The table of ``sdlab.bench.errors``.
        cost: ``nfe`` or ``num_steps``.
        colors: The colour of each solver, in the legend's order.

    Raises:
        ValueError: If the cost is another, or a column is missing.
    """
    if cost not in COSTS:
        raise ValueError(f"cost must be one of {', '.join(COSTS)}, got {cost!r}.")
    columns = ("solver", "curve", *COSTS, "error", "floor", "low", "high", "measure", "end")
    rows = require(errors, columns, "convergence").dropna(subset=["error", "nfe"])
    rows = rows[rows["error"] > NOTHING]
    rows["low"] = rows["low"].clip(lower=rows["error"] / 10)
    pick = alt.selection_point(name="pick", fields=["solver"], bind="legend")
    hover = alt.selection_point(
        name="hover", on="pointerover", nearest=True, fields=["solver"], empty=False
    )
    names = list(colors)
    wide = legend_columns(names)
    color = alt.Color(
        "solver:N",
        title=None,
        scale=alt.Scale(domain=names, range=list(colors.values())),
        legend=alt.Legend(orient="bottom", columns=wide, labelLimit=330, symbolOpacity=1),
    )
    x, y = _cost_axis(cost, rows), _error_axis()
    base = alt.Chart(rows).encode(x=x, y=y, color=color, tooltip=_tooltips())
    shown = alt.when(pick).then(alt.value(1.0)).otherwise(alt.value(0.08))
    line = base.mark_line().encode(
        opacity=shown,
        strokeWidth=alt.when(hover).then(alt.value(4)).otherwise(alt.value(2)),
        order=alt.Order(f"{cost}:Q"),
    )
    dots = base.mark_point(filled=True, size=46).encode(
        opacity=shown,
        shape=alt.Shape(
            "measure:N",
            scale=alt.Scale(domain=["strong", "weak"], range=["circle", "diamond"]),
            legend=None,
        ),
    )
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.5)
    bars = bars.encode(y=alt.Y("low:Q"), y2="high:Q", opacity=shown)
    target = base.mark_point(size=200).encode(opacity=alt.value(0)).add_params(hover, pick)
    behind = [*_guides(rows, cost, x, y), *[bars] * bool(rows["low"].notna().any())]
    return layered(*behind, line, dots, target).properties(
        title=alt.TitleParams("Error against cost", anchor="start", fontSize=14),
        height=HEIGHT + 60,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    )


def paths(
    table: pd.DataFrame, density: pd.DataFrame, step: int, color: str = _PATHS
) -> alt.LayerChart:
    """Return the particles' paths up to a step, over the density of data with that much noise.

    Args:
        table: The table of ``sdlab.bench.trajectories``.
        density: That of ``sdlab.bench.density`` at the step's sigma.
        step: The last step to draw.
        color: The solver's colour.
    """
    columns = ("particle", "step", "sigma", "x", "y", "true_x", "true_y")
    rows = require(table, columns, "paths")
    rows = edged(rows[rows["step"] <= step])
    cells = require(density, ("x", "y", "density"), "density")
    reach = float(cells["x"].max() + (cells["x"].iloc[1] - cells["x"].iloc[0]) / 2)
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    axis = alt.Axis(grid=False, tickCount=5)
    x = alt.X("x:Q", title=f"first coordinate ({_coordinates(rows)})", scale=scale, axis=axis)
    y = alt.Y("y:Q", title=f"second coordinate ({_coordinates(rows)})", scale=scale, axis=axis)
    picture = pd.DataFrame({"x": [0.0], "y": [0.0], "url": [_picture(cells)]})
    cloud = alt.Chart(picture).mark_image(width=SIDE, height=SIDE).encode(x=x, y=y, url="url:N")
    base = alt.Chart(rows).encode(x=x, y=y)
    ways = base.mark_line(strokeWidth=1.2, opacity=0.55, color=color, clip=True)
    ways = ways.encode(detail="particle:N", order="step:O")
    now = base.transform_filter(f"datum.step == {int(step)}")
    tooltip = [
        alt.Tooltip("particle:N", title="particle"),
        alt.Tooltip("step:Q", title="step", format="d"),
        told_tooltip(rows, "sigma", "sigma"),
        alt.Tooltip("x:Q", format=".3f"),
        alt.Tooltip("y:Q", format=".3f"),
    ]
    dots = now.mark_circle(size=42, opacity=1, color=color, clip=True).encode(tooltip=tooltip)
    true = now.transform_filter("isValid(datum.true_x)").mark_point(
        size=90, strokeWidth=1.3, color=_GREY, clip=True
    )
    true = true.encode(x=alt.X("true_x:Q"), y=alt.Y("true_y:Q"))
    return layered(cloud, ways, true, dots).properties(
        title=alt.TitleParams("Paths over the density", anchor="start", fontSize=14),
        width=SIDE,
        height=SIDE,
        autosize=alt.AutoSizeParams(type="pad", contains="padding"),
    )


def _coordinates(rows: pd.DataFrame) -> str:
    return "x_t" if "flow_time" in rows.columns else "VP"


def drift(table: pd.DataFrame, step: int, color: str = _PATHS) -> alt.LayerChart:
    """Return how far the particles are from the truth at each step; ``step`` is marked.

    Args:
        table: Columns ``step``, ``sigma``, ``distance`` (median over particles) and ``worst``.
        step: The step to mark.
        color: The solver's colour.
    """
    rows = edged(require(table, ("step", "sigma", "distance", "worst"), "drift"))
    x = alt.X("step:Q", title="solver step", axis=alt.Axis(format="d", tickMinStep=1, grid=False))
    tooltip = [
        alt.Tooltip("step:Q", title="step", format="d"),
        told_tooltip(rows, "sigma", "sigma"),
        alt.Tooltip("distance:Q", title="median distance", format=".3g"),
        alt.Tooltip("worst:Q", title="largest distance", format=".3g"),
    ]
    base = alt.Chart(rows).encode(x=x, tooltip=tooltip)
    y = alt.Y("distance:Q", title=f"distance from the truth ({_coordinates(rows)})")
    area = base.mark_area(color=color, opacity=0.18).encode(y=alt.Y("distance:Q"), y2="worst:Q")
    line = base.mark_line(color=color, strokeWidth=2).encode(y=y)
    dots = base.mark_circle(color=color, size=30, opacity=1).encode(y=y)
    mark = alt.Chart(pd.DataFrame({"step": [step]})).mark_rule(color=_GREY, strokeDash=[4, 3])
    return layered(area, line, dots, mark.encode(x=x)).properties(
        title=alt.TitleParams(
            "Distance from the truth: median, largest", anchor="start", fontSize=14
        ),
        height=SIDE,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    )


def _cost_axis(cost: str, rows: pd.DataFrame) -> alt.X:
    low, high = float(rows[cost].min()), float(rows[cost].max())
    return alt.X(
        f"{cost}:Q",
        title=f"{COSTS[cost]} (log scale)",
        scale=alt.Scale(type="log", base=2, nice=False, domain=[low / 1.15, high * 1.3]),
        axis=alt.Axis(values=_DOUBLINGS, format="d", grid=False, labelOverlap="greedy"),
    )


def _error_axis() -> alt.Y:
    return alt.Y(
        "error:Q",
        title="error / spread of the data (log scale)",
        scale=alt.Scale(type="log", nice=False, zero=False),
        axis=alt.Axis(values=_POWERS, format=".0e", labelOverlap="greedy"),
    )


def _tooltips() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("solver:N", title="solver"),
        alt.Tooltip("curve:N", title="curve"),
        alt.Tooltip("num_steps:Q", title="steps", format="d"),
        alt.Tooltip("nfe:Q", title="evaluations", format="d"),
        alt.Tooltip("error:Q", title="error", format=".3g"),
        alt.Tooltip("floor:Q", title="floor", format=".3g"),
        alt.Tooltip("measure:N", title="measure"),
        alt.Tooltip("end:Q", title="ends at sigma", format=".3g"),
    ]


def _guides(rows: pd.DataFrame, cost: str, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Return lines of slope 1, 2 and 3 from the upper left, and the floors, each with its name."""
    if rows.empty:
        return []
    low, high = float(rows[cost].min()), float(rows[cost].max())
    top, bottom = 1.7 * float(rows["error"].max()), float(rows["error"].min())
    parts = []
    for order in (1, 2, 3):
        end = min(high, low * (top / bottom / 1.5) ** (1 / order))
        for at in (low, end):
            error = top * (at / low) ** -order
            parts.append({"guide": f"order {order}", cost: at, "error": error, "last": at == end})
    slopes = alt.Chart(pd.DataFrame(parts)).encode(x=x, y=y, detail="guide:N")
    lines = slopes.mark_line(color=_GREY, strokeDash=[3, 4], strokeWidth=1.2, opacity=0.8)
    words = slopes.transform_filter("datum.last").mark_text(
        align="left", dx=5, dy=2, fontSize=11, color=_GREY
    )
    out = [lines, words.encode(text="guide:N")]
    floors = sorted({float(f"{f:.2g}") for f in rows["floor"].dropna() if bottom / 3 < f})
    if 0 < len(floors) <= 4:
        frame = pd.DataFrame({"error": floors, "name": [f"floor {f:.1e}" for f in floors]})
        frame[cost] = low / 1.1
        rule = alt.Chart(frame).mark_rule(color=_GREY, strokeWidth=1, strokeDash=[1, 3])
        name = alt.Chart(frame).mark_text(align="left", dy=8, fontSize=11, color=_GREY)
        out += [rule.encode(y=y), name.encode(x=x, y=y, text="name:N")]
    return out


def _picture(cells: pd.DataFrame) -> str:
    """Return the density as a picture, transparent where it is 0, as a data URL."""
    from PIL import Image

    side = math.isqrt(len(cells))
    grid = cells["density"].to_numpy().reshape(side, side)[::-1]
    pixels = np.empty((side, side, 4), np.uint8)
    pixels[..., :3] = _CLOUD
    pixels[..., 3] = (165 * np.sqrt(grid)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(
        buffer, "PNG"
    )
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
