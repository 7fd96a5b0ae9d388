"""What latents hold against standard normal noise: histograms, correlations, spectra, the shell.

The tables are those of ``sdlab.latents.statistics``.
"""

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.base import HEIGHT, channel_legend, decades, layered, legend, require

ALL = "all"
NORMAL = "#8a90a3"
DASHED = [5, 4]


def histogram(table: pd.DataFrame) -> alt.LayerChart:
    """Return each channel's density, with that of N(0, 1) dashed."""
    columns = ("channel", "low", "high", "density", "normal")
    frame = require(table, columns, "histogram").assign(at=lambda f: (f["low"] + f["high"]) / 2)
    x = alt.X("at:Q", title="value (latent units)")
    tips = [
        alt.Tooltip("channel:N", title="channel"),
        alt.Tooltip("low:Q", title="from", format=".3g"),
        alt.Tooltip("high:Q", title="to", format=".3g"),
        alt.Tooltip("density:Q", title="density", format=".3g"),
        alt.Tooltip("normal:Q", title="N(0, 1)", format=".3g"),
    ]
    own = (
        alt.Chart(frame[frame["channel"] != ALL])
        .mark_line(interpolate="step", strokeWidth=1.8)
        .encode(
            x=x,
            y=alt.Y("density:Q", title="density (1 / latent unit)"),
            color=_channels(frame),
            tooltip=tips,
        )
    )
    normal = (
        alt.Chart(frame[frame["channel"] == ALL])
        .mark_line(color=NORMAL, strokeDash=DASHED, strokeWidth=2)
        .encode(x=x, y="normal:Q", tooltip=[tips[-1]])
    )
    return _titled(layered(own, normal), "Values of each channel; dashed: N(0, 1)")


def correlations(table: pd.DataFrame) -> alt.LayerChart:
    """Return the matrix of channel correlations, blue -1 to red 1."""
    frame = require(table, ("channel_a", "channel_b", "correlation"), "correlations")
    order = list(dict.fromkeys(frame["channel_a"]))
    axis = alt.Axis(labelAngle=0, grid=False, domain=False, ticks=False)
    base = alt.Chart(frame).encode(
        x=alt.X("channel_b:N", title="channel", sort=order, axis=axis),
        y=alt.Y("channel_a:N", title="channel", sort=order, axis=axis),
        tooltip=[
            alt.Tooltip("channel_a:N", title="channel"),
            alt.Tooltip("channel_b:N", title="with"),
            alt.Tooltip("correlation:Q", title="correlation", format=".3f"),
        ],
    )
    scale = alt.Scale(scheme="redblue", reverse=True, domain=[-1, 1])
    cells = base.mark_rect().encode(
        color=alt.Color("correlation:Q", title="correlation", scale=scale, legend=_bar())
    )
    layers: list[alt.Chart] = [cells]
    if len(order) <= 8:
        strong = alt.condition("abs(datum.correlation) > 0.5", alt.value("#fff"), alt.value("#222"))
        known = base.transform_filter("isValid(datum.correlation)")
        layers.append(
            known.mark_text(fontSize=12).encode(
                text=alt.Text("correlation:Q", format=".2f"), color=strong
            )
        )
    return _titled(layered(*layers), "Correlation between channels")


def spectrum(table: pd.DataFrame) -> alt.LayerChart:
    """Return each channel's radial power spectrum on log scales; white noise is the dashed 1."""
    frame = require(table, ("channel", "frequency", "power", "count"), "spectrum")
    color = _channels(frame)
    frame = frame[(frame["channel"] != ALL) & (frame["power"] > 0)]
    x = alt.X(
        "frequency:Q",
        title="frequency (cycles per latent pixel, log scale)",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(values=[0.01, 0.02, 0.05, 0.1, 0.2, 0.5], format="~g", grid=False),
    )
    own = (
        alt.Chart(frame)
        .mark_line(strokeWidth=1.8, point=alt.OverlayMarkDef(size=18))
        .encode(
            x=x,
            y=alt.Y(
                "power:Q",
                title="power (log scale)",
                scale=alt.Scale(type="log"),
                axis=decades(),
            ),
            color=color,
            tooltip=[
                alt.Tooltip("channel:N", title="channel"),
                alt.Tooltip("frequency:Q", title="frequency", format=".3f"),
                alt.Tooltip("power:Q", title="power", format=".4g"),
                alt.Tooltip("count:Q", title="coefficients", format="d"),
            ],
        )
    )
    rule = alt.Chart(pd.DataFrame({"power": [1.0]})).mark_rule(
        color=NORMAL, strokeDash=DASHED, strokeWidth=2
    )
    return _titled(layered(own, rule.encode(y="power:Q")), "Power spectrum; dashed: white noise")


def shell(row: pd.DataFrame) -> alt.LayerChart:
    """Return where the norm lies against the chi distribution of noise's norm."""
    columns = ("norm", "expected", "expected_std", "low", "high", "z")
    frame = require(row, columns, "norm")
    norm, mean, std = (float(frame[name].iloc[0]) for name in ("norm", "expected", "expected_std"))
    # Chi of many degrees of freedom is normal to the eye.
    places = np.linspace(mean - 4 * std, mean + 4 * std, 81)
    bell = pd.DataFrame({"norm": places, "density": np.exp(-0.5 * ((places - mean) / std) ** 2)})
    ends = [min(norm, mean - 4 * std), max(norm, mean + 4 * std)]
    margin = 0.06 * (ends[1] - ends[0])
    x = alt.X(
        "norm:Q",
        title="norm of all values (latent units)",
        scale=alt.Scale(domain=[max(0.0, ends[0] - margin), ends[1] + margin], nice=False),
    )
    y = alt.Y("density:Q", title="density (of its maximum)", axis=alt.Axis(format=".1f"))
    curve = alt.Chart(bell).mark_area(color=NORMAL, opacity=0.45, line={"color": NORMAL})
    mark = alt.Chart(frame).mark_rule(color="#d6336c", strokeWidth=3)
    tips = [
        alt.Tooltip("norm:Q", title="norm", format=".2f"),
        alt.Tooltip("expected:Q", title="of noise", format=".2f"),
        alt.Tooltip("z:Q", title="distance (std)", format="+.1f"),
    ]
    return _titled(
        layered(curve.encode(x=x, y=y), mark.encode(x="norm:Q", tooltip=tips)),
        "Norm (red) against noise's shell (grey)",
    )


def path_norm(table: pd.DataFrame) -> alt.LayerChart:
    """Return the norm along a walk between two latents, for each way to walk."""
    frame = require(table, ("walk", "share", "norm"), "norm along the way")
    base = alt.Chart(frame).encode(
        x=alt.X("share:Q", title="share of the way (0 first, 1 second)"),
        y=alt.Y("norm:Q", title="norm (latent units)", scale=alt.Scale(zero=False)),
        color=alt.Color("walk:N", title="walk", legend=legend()),
        tooltip=[
            alt.Tooltip("walk:N", title="walk"),
            alt.Tooltip("share:Q", title="share", format=".2f"),
            alt.Tooltip("norm:Q", title="norm", format=".2f"),
        ],
    )
    layer = layered(base.mark_line(strokeWidth=2), base.mark_circle(size=45, opacity=1))
    return _titled(layer, "Norm along the way")


def _channels(frame: pd.DataFrame) -> alt.Color:
    """Return the colours of all channels, so that one keeps its own where another is left out."""
    names = [name for name in dict.fromkeys(frame["channel"]) if name != ALL]
    scale = alt.Scale(domain=names)
    return alt.Color("channel:N", title="channel", scale=scale, legend=channel_legend(len(names)))


def _bar() -> alt.Legend:
    return alt.Legend(orient="right", gradientLength=180)


def _titled(chart: alt.LayerChart, title: str) -> alt.LayerChart:
    return chart.properties(
        title=alt.TitleParams(title, anchor="start", fontSize=14), height=HEIGHT
    )
