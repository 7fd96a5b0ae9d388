"""DDIM: the noise that eta injects, how pictures spread, and errors there and back.

The tables are those of ``sdlab.ddim.eta`` and ``sdlab.ddim.invert.errors``.
"""

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.base import HEIGHT, edged, layered, legend, require, told_tooltip

MEASURES = {
    "eta_std_vp": "std, VP",
    "eta_std_flow": "std of x_t, flow matching",
    "eta_std": "std, VE",
}
LOSSES = {
    "rmse": ("relative RMSE of the latents", "relative RMSE (log scale)"),
    "psnr": ("PSNR of the pictures", "PSNR (dB)"),
    "ssim": ("SSIM of the pictures", "SSIM"),
}


def measures(table: pd.DataFrame) -> list[str]:
    """Return the columns that say how much noise is injected, the model's own coordinates first."""
    return [name for name in MEASURES if name in table]


def injected(table: pd.DataFrame, measure: str = "eta_std_vp") -> alt.LayerChart:
    """Return the standard deviation of the injected noise at each step, a line for each eta.

    Args:
        table: As ``sdlab.ddim.eta.injected`` makes it.
        measure: Which of its columns, see ``measures``.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure must be one of {', '.join(MEASURES)}, got {measure!r}.")
    frame = edged(
        require(table, ("eta", "step", "sigma", "sigma_next", "share", measure), "injected noise")
    )
    base = alt.Chart(frame).encode(
        x=alt.X(
            "step:Q", title="solver step", axis=alt.Axis(format="d", tickMinStep=1, grid=False)
        ),
        y=alt.Y(f"{measure}:Q", title=f"{MEASURES[measure]} (latent units)"),
        color=_eta(),
        tooltip=[
            alt.Tooltip("eta:Q", title="eta", format=".2f"),
            alt.Tooltip("step:Q", title="step", format="d"),
            told_tooltip(frame, "sigma", "from sigma"),
            alt.Tooltip("sigma_next:Q", title="to sigma", format=".4g"),
            alt.Tooltip(f"{measure}:Q", title=MEASURES[measure], format=".4g"),
            alt.Tooltip("share:Q", title="share of the variance", format=".1%"),
        ],
    )
    layer = layered(base.mark_line(strokeWidth=2), base.mark_circle(size=26, opacity=1))
    return _titled(layer, "Noise that a step injects")


def spread(table: pd.DataFrame) -> alt.LayerChart:
    """Return against eta how far pictures of different noise seeds lie apart."""
    names = {"std": "between noise seeds", "distance": "from the first eta"}
    frame = require(table, ("eta", *names), "spread")
    long = frame.melt(["eta"], list(names), "what", "value")
    long["what"] = long["what"].map(names)
    base = alt.Chart(long).encode(
        x=alt.X("eta:Q", title="eta (0 DDIM, 1 DDPM)", scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("value:Q", title="RMS difference (latents)"),
        color=alt.Color("what:N", title=None, sort=list(names.values()), legend=legend()),
        tooltip=[
            alt.Tooltip("what:N", title="spread"),
            alt.Tooltip("eta:Q", title="eta", format=".2f"),
            alt.Tooltip("value:Q", title="RMS difference", format=".4g"),
        ],
    )
    layer = layered(base.mark_line(strokeWidth=2), base.mark_circle(size=50, opacity=1))
    return _titled(layer, "Spread of the final latents")


def way_errors(table: pd.DataFrame) -> alt.LayerChart:
    """Return the difference between the way down and the way up at each level, log scale.

    Args:
        table: Columns ``method``, ``level``, ``sigma``, ``relative``; zeros are left out.
    """
    frame = require(table, ("method", "level", "sigma", "relative"), "errors")
    frame = edged(frame[frame["relative"] > 0])
    base = alt.Chart(frame).encode(
        x=alt.X(
            "level:Q",
            title="level (0: the noise; right: the picture)",
            axis=alt.Axis(format="d", tickMinStep=1, grid=False),
        ),
        y=alt.Y(
            "relative:Q",
            title="relative RMSE (log scale)",
            scale=alt.Scale(type="log"),
            axis=alt.Axis(format=".0e", tickCount=6, grid=False),
        ),
        color=alt.Color("method:N", title=None, legend=legend()),
        tooltip=[
            alt.Tooltip("method:N", title="method"),
            alt.Tooltip("level:Q", title="level", format="d"),
            told_tooltip(frame, "sigma", "sigma"),
            alt.Tooltip("relative:Q", title="relative RMSE", format=".3g"),
        ],
    )
    layer = layered(base.mark_line(strokeWidth=2), base.mark_circle(size=26, opacity=1))
    return _titled(layer, "The way down against the way up")


def losses(table: pd.DataFrame, x: str, measure: str = "rmse") -> alt.LayerChart:
    """Return one loss against the number of steps or the guidance, a line a method.

    Args:
        table: Columns ``method``, ``num_steps``, ``guidance_scale``, ``rmse``, ``psnr``, ``ssim``;
            what has no place on the axis (PSNR of equal pictures) is left out.
        x: "num_steps" or "guidance_scale".
        measure: One of ``LOSSES``.

    Raises:
        ValueError: If ``x`` or ``measure`` is another.
    """
    titles = {"num_steps": "steps each way", "guidance_scale": "guidance scale"}
    if x not in titles:
        raise ValueError(f"x must be one of {', '.join(titles)}, got {x!r}.")
    if measure not in LOSSES:
        raise ValueError(f"measure must be one of {', '.join(LOSSES)}, got {measure!r}.")
    frame = require(table, ("method", *titles, *LOSSES), "losses")
    shown = np.isfinite(frame[measure]) & ((measure != "rmse") | (frame[measure] > 0))
    name, title = LOSSES[measure]
    scale = alt.Scale(type="log") if measure == "rmse" else alt.Scale(zero=False)
    axis = alt.Axis(tickCount=6, grid=False)
    if measure == "rmse":
        axis = alt.Axis(format=".0e", tickCount=6, grid=False)
    base = alt.Chart(frame[shown]).encode(
        x=alt.X(f"{x}:Q", title=titles[x], scale=alt.Scale(zero=False)),
        y=alt.Y(f"{measure}:Q", title=title, scale=scale, axis=axis),
        color=alt.Color(
            "method:N",
            title=None,  # three names fill the width
            legend=legend(),
            scale=alt.Scale(domain=list(dict.fromkeys(frame["method"]))),
        ),
        tooltip=[
            alt.Tooltip("method:N", title="method"),
            alt.Tooltip(f"{x}:Q", title=titles[x], format=".3g"),
            alt.Tooltip("rmse:Q", title="relative RMSE", format=".3g"),
            alt.Tooltip("psnr:Q", title="PSNR (dB)", format=".1f"),
            alt.Tooltip("ssim:Q", title="SSIM", format=".4f"),
        ],
    )
    layer = layered(base.mark_line(strokeWidth=2), base.mark_circle(size=50, opacity=1))
    return _titled(layer, f"{name[:1].upper()}{name[1:]}")


def _eta() -> alt.Color:
    return alt.Color("eta:O", title="eta", scale=alt.Scale(scheme="viridis"), legend=legend())


def _titled(chart: alt.LayerChart, title: str) -> alt.LayerChart:
    return chart.properties(
        title=alt.TitleParams(title, anchor="start", fontSize=14), height=HEIGHT
    )
