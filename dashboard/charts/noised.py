"""Signal-to-noise ratio and likeness to the picture at each step, for two schedules."""

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.base import HEIGHT, edged, hovered, layered, require, told_tooltip

DASHES = ([1, 0], [6, 4])


def snr(frame: pd.DataFrame, colors: dict[str, str]) -> alt.LayerChart:
    """Return the signal-to-noise ratio of each step in decibels.

    Args:
        frame: Columns ``series``, ``step``, ``sigma``, ``snr_db``.
        colors: The colour of each series, in order.
    """
    return _lines(frame, "snr_db", "SNR", "SNR (dB)", "Signal against noise", colors)


def psnr(frame: pd.DataFrame, colors: dict[str, str]) -> alt.LayerChart:
    """Return how near each frame, as shown, is to the picture, in decibels.

    Args:
        frame: Columns ``series``, ``step``, ``sigma``, ``psnr_db``.
        colors: The colour of each series, in order.
    """
    return _lines(frame, "psnr_db", "PSNR", "PSNR (dB)", "Likeness to the picture", colors)


def _lines(
    frame: pd.DataFrame, field: str, name: str, axis: str, title: str, colors: dict[str, str]
) -> alt.LayerChart:
    rows = edged(require(frame, ("series", "step", "sigma", field), title))
    span = [int(rows["step"].min()), int(rows["step"].max())]
    rows = rows[np.isfinite(rows[field])]
    x = alt.X(
        "step:Q",
        title="solver step",
        scale=alt.Scale(domain=span, nice=False),
        axis=alt.Axis(format="d", tickMinStep=1, grid=False),
    )
    hover = alt.selection_point(name="hover", on="pointerover", nearest=True, fields=["step"],
                                empty=False)  # fmt: skip
    names = list(colors)
    shared = alt.Legend(
        orient="top", offset=4, symbolType="stroke", symbolSize=400, symbolStrokeWidth=2,
        labelLimit=320,
    )  # fmt: skip
    base = alt.Chart(rows).encode(
        x=x,
        y=alt.Y(f"{field}:Q", title=axis),
        color=alt.Color(
            "series:N",
            title=None,
            scale=alt.Scale(domain=names, range=list(colors.values())),
            legend=shared,
        ),
        strokeDash=alt.StrokeDash(
            "series:N",
            title=None,
            scale=alt.Scale(domain=names, range=[list(d) for d in DASHES[: len(names)]]),
            legend=shared,
        ),
        tooltip=[
            alt.Tooltip("series:N", title="schedule"),
            told_tooltip(rows, field, axis),
            alt.Tooltip("step:Q", title="step", format="d"),
            told_tooltip(rows, "sigma", "sigma"),
        ],
    )
    line = base.mark_line(strokeWidth=2)
    dots = base.mark_circle(opacity=1).encode(
        size=alt.SizeValue(24, condition=hovered(90)), strokeDash=alt.StrokeDashValue([1, 0])
    )
    rule = (
        alt.Chart(rows)
        .mark_rule(color="#8a90a3", strokeWidth=1, tooltip=None)
        .encode(x=x, opacity=alt.OpacityValue(0, condition=hovered(0.6)))
    )
    target = base.mark_point(size=160).encode(opacity=alt.OpacityValue(0)).add_params(hover)
    return layered(rule, line, dots, target).properties(
        title=alt.TitleParams(title, anchor="start", fontSize=14), height=HEIGHT
    )
