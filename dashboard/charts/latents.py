"""What the latents do: mean, standard deviation and range of each channel."""

import altair as alt
import pandas as pd

from dashboard.charts.base import (
    HEIGHT,
    channel_legend,
    layered,
    lines,
    placed,
    require,
    value_tooltip,
    where_columns,
    where_tooltips,
    x_axis,
)

TENSORS = ("x0_pred", "x_t")


def _checked(channels: pd.DataFrame, tensor: str, names: list[str], chart: str) -> pd.DataFrame:
    if tensor not in TENSORS:
        raise ValueError(f"tensor must be one of {', '.join(TENSORS)}, got {tensor!r}.")
    return require(channels, where_columns("channel", *names), chart)


def _color(channels: pd.DataFrame) -> alt.Color:
    count = channels["channel"].nunique()
    return alt.Color("channel:N", title="channel", legend=channel_legend(count))


def mean(channels: pd.DataFrame, x: str, tensor: str = "x0_pred") -> alt.LayerChart:
    """Return the mean of each latent channel against the axis."""
    field = f"{tensor}_mean"
    frame = _checked(channels, tensor, [field], "latent mean")
    y = alt.Y(f"{field}:Q", title="mean (latent units)")
    title = f"Mean of {tensor} by channel"
    return lines(frame, x, y, title, value_tooltip(field, "mean"), _color(frame))


def std(channels: pd.DataFrame, x: str, tensor: str = "x0_pred") -> alt.LayerChart:
    """Return the standard deviation of each latent channel against the axis."""
    field = f"{tensor}_std"
    frame = _checked(channels, tensor, [field], "latent standard deviation")
    y = alt.Y(f"{field}:Q", title="std. deviation (latent units)")
    title = f"Spread of {tensor} by channel"
    return lines(frame, x, y, title, value_tooltip(field, "standard deviation"), _color(frame))


def span(channels: pd.DataFrame, x: str, tensor: str = "x0_pred") -> alt.LayerChart:
    """Return least to greatest value of each latent channel against the axis, as bands."""
    low, high = f"{tensor}_min", f"{tensor}_max"
    frame = _checked(channels, tensor, [low, high], "latent range")
    frame = placed(frame)
    tips = [
        alt.Tooltip("channel:N", title="channel"),
        value_tooltip(low, "least"),
        value_tooltip(high, "greatest"),
        *where_tooltips(frame),
    ]
    base = alt.Chart(frame).encode(x=x_axis(x), color=_color(frame), tooltip=tips)
    y = alt.Y(f"{low}:Q", title="min to max (latent units)")
    band = base.mark_area(opacity=0.09, line=False).encode(y=y, y2=f"{high}:Q")
    edges = [
        base.mark_line(strokeWidth=1.6, point=alt.OverlayMarkDef(size=16)).encode(
            y=alt.Y(f"{field}:Q", title="min to max (latent units)"),
            order=alt.Order("evaluation:Q"),
        )
        for field in (low, high)
    ]
    title = alt.TitleParams(f"Range of {tensor} by channel", anchor="start", fontSize=14)
    return layered(band, *edges).properties(title=title, height=HEIGHT)
