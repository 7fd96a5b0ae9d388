"""The price of a speed-up: as good as so many plain steps, as quick as so many."""

import altair as alt
import pandas as pd

from dashboard.charts.base import GREY, layered, legend, require, titled

COLORS = {
    "worth it": "#2e9e5b",
    "free": "#2e9e5b",
    "not told apart": GREY,
    "no gain": "#d99a00",
    "not worth it": "#d1495b",
}
_ENDS = [f"{name}{end}" for name in ("good_as", "quick_as") for end in ("", "_low", "_high")]


def worth(prices: pd.DataFrame, num_steps: int) -> alt.LayerChart:
    """Return as good as against as quick as, with intervals, over the line of plain steps.

    Args:
        prices: The table of ``sdlab.price``.
        num_steps: The budget, where the plain sampler stands.
    """
    frame = require(prices, ["speedup", "verdict", "share", "time", *_ENDS], "prices")
    most = 1.3 * num_steps  # a wide interval must not squeeze what is known
    frame = frame.assign(**{name: frame[name].clip(0, most) for name in _ENDS})
    scale = alt.Scale(domain=[0, most], nice=False)
    x = alt.X("quick_as:Q", title="as quick as so many plain steps", scale=scale)
    y = alt.Y("good_as:Q", title="as good as so many plain steps", scale=scale)
    color = alt.Color(
        "verdict:N",
        title=None,
        scale=alt.Scale(domain=list(COLORS), range=list(COLORS.values())),
        legend=legend(),
    )
    tips = [
        alt.Tooltip("speedup:N"),
        alt.Tooltip("share:Q", title="share of the own error", format=".3~g"),
        alt.Tooltip("good_as:Q", title="as good as (steps)", format=".1f"),
        alt.Tooltip("quick_as:Q", title="as quick as (steps)", format=".1f"),
        alt.Tooltip("time:Q", title="share of the time", format=".2f"),
        alt.Tooltip("verdict:N"),
    ]
    base = alt.Chart(frame).encode(color=color, tooltip=tips)
    across = base.mark_rule(opacity=0.6).encode(
        x=alt.X("quick_as_low:Q", scale=scale), x2="quick_as_high:Q", y=y
    )
    up = base.mark_rule(opacity=0.6).encode(
        x=x, y=alt.Y("good_as_low:Q", scale=scale), y2="good_as_high:Q"
    )
    points = base.mark_point(filled=True, size=90, opacity=1).encode(x=x, y=y)
    names = base.mark_text(align="left", dx=8, dy=-8).encode(x=x, y=y, text="speedup:N")
    chart = layered(_plain(most), _budget(num_steps), across, up, points, names)
    return titled(chart, "Worth its price?", 380)


def ladder(table: pd.DataFrame) -> alt.LayerChart:
    """Return the plain sampler's error against its steps, a line a seed.

    Args:
        table: The ladder of ``sdlab.price``, ``seed`` as text.
    """
    frame = require(table, ["seed", "num_steps", "error"], "ladder")
    base = alt.Chart(frame).encode(
        x=alt.X("num_steps:Q", title="plain steps", axis=alt.Axis(grid=False)),
        y=alt.Y("error:Q", title="distance to the end (std, log scale)", scale={"type": "log"}),
        color=alt.Color("seed:N", title="seed", legend=legend()),
        tooltip=[
            alt.Tooltip("seed:N"),
            alt.Tooltip("num_steps:Q", title="steps"),
            alt.Tooltip("error:Q", format=".3~g"),
        ],
    )
    return titled(layered(base.mark_line(), base.mark_point(filled=True)), "The plain sampler")


def _plain(most: float) -> alt.Chart:
    ends = pd.DataFrame({"quick_as": [0.0, most], "good_as": [0.0, most]})
    line = alt.Chart(ends).mark_line(strokeDash=[5, 4], color=GREY)
    return line.encode(x="quick_as:Q", y="good_as:Q")


def _budget(num_steps: int) -> alt.Chart:
    at = pd.DataFrame({"quick_as": [num_steps], "good_as": [num_steps], "of": ["plain"]})
    return (
        alt.Chart(at)
        .mark_point(shape="cross", size=120, color=GREY)
        .encode(x="quick_as:Q", y="good_as:Q", tooltip=[alt.Tooltip("of:N", title="sampler")])
    )
