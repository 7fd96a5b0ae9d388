"""One value a picture: how a sampler's pictures spread over seeds and prompts, with their mean."""

from collections.abc import Mapping
from typing import Literal

import altair as alt
import pandas as pd

from dashboard.charts.base import layered, require
from dashboard.charts.compare import AROUND, check, titled

MEASURES: dict[str, tuple[str, str, Literal["linear", "log"]]] = {
    "distance": ("Distance of latents to the converged picture's", "std", "log"),
    "image_rmse": ("RMSE of the picture to the converged one", "0 to 255", "linear"),
    "psnr": ("PSNR of the picture against the converged one", "dB", "linear"),
    "ssim": ("SSIM of the picture with the converged one", "1 is alike", "linear"),
    "fidelity": ("Statements of the prompt that the picture fulfils", "share", "linear"),
    "spread": ("Distance to this sampler's pictures of other seeds", "std", "linear"),
}
MORE_IS_BETTER = ("psnr", "ssim", "fidelity")
_GREY = "#8a90a3"
_ROW = 26


def over_pictures(
    runs: pd.DataFrame, spread: pd.DataFrame, what: str, colors: Mapping[str, str]
) -> alt.LayerChart:
    """Return a row of dots a sampler, one a picture, with their mean and its 95 % interval.

    Pictures of one value lie on each other, the larger the more they are.

    The best mean comes first; of "spread", which has no best, the widest.

    Args:
        runs: The comparison's ``runs`` at its first budget.
        spread: Its ``spread``.
        what: A name of ``MEASURES``; of "spread" only the means are known.
        colors: The colour of each entrant.

    Raises:
        ValueError: If the measure is another, or a column is missing.
    """
    check("what", what, MEASURES)
    title, unit, kind = MEASURES[what]
    means = require(spread, ("entrant", "what", "mean", "low", "high", "n"), title)
    means = means[(means["what"] == what) & means["mean"].notna()]
    means = means.sort_values("mean", ascending=what not in (*MORE_IS_BETTER, "spread"))
    names = list(means["entrant"])
    labels = alt.Axis(labelLimit=230, grid=True, labelOverlap=False, labelFlush=False)
    y = alt.Y("entrant:N", title=None, sort=names, axis=labels)
    scale = alt.Scale(type=kind, nice=False, zero=False, padding=14)
    axis = alt.Axis(format=".0%" if what == "fidelity" else "~g", tickCount=8)
    x = {
        field: alt.X(f"{field}:Q", title=f"{title} ({unit})", scale=scale, axis=axis)
        for field in ("value", "mean", "low")
    }
    color = alt.Color(
        "entrant:N",
        legend=None,
        scale=alt.Scale(domain=names, range=[colors.get(name, _GREY) for name in names]),
    )
    base = alt.Chart(means).encode(y=y, color=color, tooltip=_tips(unit))
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=4, opacity=0.4)
    ticks = base.mark_tick(thickness=3, size=18, opacity=1).encode(x=x["mean"])
    layers = [bars.encode(x=x["low"], x2="high:Q"), ticks]
    if what != "spread":
        dots = require(runs, ("entrant", "prompt", "seed", what), title)
        dots = dots.rename(columns={what: "value"})
        dots = dots[dots["value"].notna() & (dots["value"] != float("inf"))]
        dots = dots[dots["value"] > 0] if kind == "log" else dots
        alike = dots.groupby(["entrant", "value"])["value"].transform("size")
        size = alt.Size("alike:Q", legend=None, scale=alt.Scale(domain=[1, 20], range=[46, 400]))
        marks = alt.Chart(dots.assign(alike=alike)).mark_circle(opacity=0.55)
        tips = _tips_of_one(unit)
        layers.append(marks.encode(x=x["value"], y=y, color=color, size=size, tooltip=tips))
    return layered(*layers).properties(title=titled(title), height=_ROW * len(names) + AROUND)


def _tips(unit: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("entrant:N", title="sampler"),
        alt.Tooltip("mean:Q", title=f"mean ({unit})", format=".3g"),
        alt.Tooltip("low:Q", title="95 % interval from", format=".3g"),
        alt.Tooltip("high:Q", title="to", format=".3g"),
        alt.Tooltip("n:Q", title="pictures", format="d"),
    ]


def _tips_of_one(unit: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("entrant:N", title="sampler"),
        alt.Tooltip("value:Q", title=unit, format=".3g"),
        alt.Tooltip("prompt:N", title="prompt"),
        alt.Tooltip("seed:Q", title="seed", format="d"),
        alt.Tooltip("alike:Q", title="pictures of this value", format="d"),
    ]
