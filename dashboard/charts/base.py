"""What all charts share: the column check, the three horizontal axes, lines with a hover rule.

Altair draws an empty chart when a column is missing, so ``require`` raises first. Time runs from
left to right on every axis: sigma and timestep fall during sampling, so theirs are reversed.

Flow matching starts at t = 1, where sigma is infinite: such a row is drawn at the chart's edge
(``edged``), and its tooltip says "infinite".
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import altair as alt
import numpy as np
import pandas as pd

AXES = ("step", "sigma", "timestep")
FLOW_AXES = (*AXES, "flow_time")
BEYOND = 3.0  # how many times the largest sigma above it the edge lies
MAX_ROWS = 5000
HEIGHT = 270
MOST_CHANNELS = 16
GREY = "#8a90a3"
"""Of what is no data: rules, lines beside them, words on the chart; seen in both themes."""
Drawn = TypeVar("Drawn", alt.Chart, alt.LayerChart)
_DECADES = [10.0**power for power in range(-4, 5)]

_X_TITLES = {
    "step": "solver step",
    "sigma": "noise level sigma (log scale)",
    "timestep": "training timestep",
    "flow_time": "flow time t",
}
_LABELS = {
    "step": ("step", "d"),
    "evaluation": ("evaluation", "d"),
    "timestep": ("timestep", ".1f"),
    "sigma": ("sigma", ".4g"),
}


def require(frame: pd.DataFrame, columns: Sequence[str], chart: str) -> pd.DataFrame:
    """Return ``frame`` cut to the named columns.

    Raises:
        ValueError: If a column is missing, or the rows are more than a chart should carry.
    """
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ValueError(
            f"The chart '{chart}' needs the column(s) {', '.join(missing)}; the table has: "
            f"{', '.join(map(str, frame.columns)) or '(none)'}."
        )
    if len(frame) > MAX_ROWS:
        raise ValueError(
            f"The chart '{chart}' got {len(frame)} rows; at most {MAX_ROWS}. Reduce them first."
        )
    own = [name for name in ("flow_time",) if name in frame.columns]
    return frame[list(dict.fromkeys([*columns, *own]))]


def axes_of(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the horizontal axes on which the rows of a table can be placed."""
    return FLOW_AXES if "flow_time" in frame.columns else AXES


def with_time(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of flow matching with its column ``flow_time``, t = sigma / (1 + sigma)."""
    sigma = frame["sigma"].to_numpy(dtype=float)
    with np.errstate(divide="ignore"):
        return frame.assign(flow_time=1.0 / (1.0 + 1.0 / sigma))


def thinned(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return a table with one evaluation in so many that it has about ``most`` rows."""
    return every(frame, stride(len(frame), most))


def stride(rows: int, most: int) -> int:
    """Return the least whole number by which to thin so many rows to what a chart can hold."""
    return max(1, -(-rows // most))


def every(frame: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return the rows of one evaluation in so many."""
    return frame[frame["evaluation"] % number == 0]


def x_axis(name: str) -> alt.X:
    """Return the horizontal axis, one of ``FLOW_AXES``; for frames from ``placed``.

    Raises:
        ValueError: If the name is another.
    """
    if name not in FLOW_AXES:
        raise ValueError(f"axis must be one of {', '.join(FLOW_AXES)}, got {name!r}.")
    title = _X_TITLES[name]
    if name == "step":
        return alt.X("at:Q", title=title, axis=alt.Axis(format="d", tickMinStep=1, grid=False))
    scale = alt.Scale(type="log" if name == "sigma" else "linear", reverse=True, nice=False)
    axis = alt.Axis(format="d", grid=False, tickCount=6, labelOverlap="greedy")
    if name == "sigma":
        axis = decades(grid=False)
    elif name == "flow_time":
        axis = alt.Axis(format="~g", grid=False, tickCount=6)
    return alt.X(f"{name}:Q", title=title, scale=scale, axis=axis)


def placed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with a column ``at``: the step, its evaluations spread evenly over it.

    Heun's two evaluations of step 3 are at 3 and 3.5, so that a line always goes to the right. What
    is infinite comes to the edge; see ``edged``.
    """
    frame = edged(frame)
    calls = frame[["evaluation", "step"]].drop_duplicates().sort_values("evaluation")
    group = calls.groupby("step")["evaluation"]
    share = group.cumcount() / group.transform("size")
    at = pd.Series((calls["step"] + share).to_numpy(), index=calls["evaluation"])
    return frame.assign(at=frame["evaluation"].map(at))


def edged(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with infinite noise moved to the charts' edge.

    Sigma comes to ``BEYOND`` times the largest other one, log-SNR and SNR to where they then are.
    What is moved has its true values in words in a column ``_told``. A frame without infinite noise
    comes back as it is.
    """
    if "sigma" not in frame.columns:
        return frame
    infinite = np.isposinf(frame["sigma"].to_numpy(dtype=float))
    if not infinite.any():
        return frame
    rest = frame.loc[~infinite, "sigma"]
    edge = BEYOND * float(rest.max()) if len(rest) and rest.max() > 0 else 100.0
    places = {"sigma": edge, "log_snr": -2.0 * np.log(edge), "snr_db": -20.0 * np.log10(edge)}
    moved = frame.copy()
    for name, place in places.items():
        if name in frame.columns:
            word = "infinite" if name == "sigma" else "-infinite"
            told = frame[name].map("{:.4g}".format).mask(infinite, word)
            moved[name] = frame[name].mask(infinite, place)
            moved[f"{name}_told"] = told
    return moved


def told_tooltip(frame: pd.DataFrame, field: str, title: str, format: str = ".4g") -> alt.Tooltip:
    """Return the tooltip of a field, in words where some of it was moved to the edge."""
    if f"{field}_told" in frame.columns:
        return alt.Tooltip(f"{field}_told:N", title=title)
    return alt.Tooltip(f"{field}:Q", title=title, format=format)


def decades(grid: bool = True) -> alt.Axis:
    """Return the axis of a log scale with a tick at each power of ten."""
    return alt.Axis(values=_DECADES, format="~g", grid=grid)


def title_of(chart: alt.TopLevelMixin) -> str:
    """Return a chart's heading.

    ``to_dict`` is not used: it depends on settings of Altair that all threads share, and that
    Streamlit changes under a lock while it draws another session's chart.
    """
    return str(chart["title"]["text"])  # type: ignore[index]


def layered(*layers: alt.Chart | alt.LayerChart, **properties: Any) -> alt.LayerChart:
    """Return charts drawn upon each other.

    Args:
        layers: The lowest first.
        properties: Of the whole, as its title. Given here they take less time than by
            ``properties``, which copies all layers, and so does ``data`` that all of them show.
    """
    chart = alt.layer(*layers, **properties)
    assert isinstance(chart, alt.LayerChart)  # a chart of facets is what only facets make
    return chart


def titled(chart: Drawn, title: str, height: int = HEIGHT) -> Drawn:
    """Return a chart with its heading, as high as is said, in pixels."""
    return chart.properties(
        title=alt.TitleParams(title, anchor="start", fontSize=14), height=height
    )


def legend() -> alt.Legend:
    """Return a legend in one line above the chart."""
    return alt.Legend(orient="top", titleOrient="left", offset=4, symbolOpacity=1)


def channel_legend(count: int) -> alt.Legend | None:
    """Return the legend of latent channels: of many at the side, of too many to tell apart none.

    Args:
        count: Channels.
    """
    if count <= 4:
        return legend()
    if count > MOST_CHANNELS:
        return None
    return alt.Legend(orient="right", offset=4, symbolOpacity=1, symbolSize=40, columns=2)


def where_tooltips(frame: pd.DataFrame) -> list[alt.Tooltip]:
    """Return the tooltips that say which evaluation a mark shows; for frames from ``placed``."""
    tips = [told_tooltip(frame, n, t, f) for n, (t, f) in _LABELS.items()]
    time = [alt.Tooltip("flow_time:Q", title="flow time t", format=".4g")]
    return tips + time * ("flow_time" in frame.columns)


def value_tooltip(field: str, title: str) -> alt.Tooltip:
    """Return the tooltip of a chart's own value, to four figures."""
    return alt.Tooltip(f"{field}:Q", title=title, format=".4g")


def where_columns(*more: str) -> list[str]:
    """Return the columns that place a row on any axis, and ``more``."""
    return [*_LABELS, *more]


def hovered(value: float) -> alt.ConditionalValueDefnumberExprRef:
    """Return the value of what the pointer is nearest to, where a selection "hover" is.

    ``alt.condition`` says the same, but takes ten times as long: it tries schema after schema.
    """
    return alt.ConditionalValueDefnumberExprRef(  # type: ignore[no-untyped-call]
        param="hover", value=value, empty=False
    )


def lines(
    frame: pd.DataFrame,
    x: str,
    y: alt.Y,
    title: str,
    tooltip: alt.Tooltip,
    color: alt.Color | None = None,
    fixed: str | None = None,
) -> alt.LayerChart:
    """Return a line with points through the evaluations, in their order, with a hover rule.

    Args:
        frame: The rows; must hold ``where_columns()`` and the fields of ``y`` and ``color``.
        x: One of ``FLOW_AXES``.
        y: The vertical axis, with its title and unit.
        title: The chart's heading.
        tooltip: What a mark's value is called.
        color: The series' colour encoding, if there is more than one.
        fixed: One colour for the only series, for example the scheduler's.
    """
    hover = alt.selection_point(
        name="hover", on="pointerover", nearest=True, fields=["evaluation"], empty=False
    )
    series = alt.Undefined if color is None else color
    ink = alt.Undefined if fixed is None else fixed
    frame = placed(frame)
    tips = [tooltip, *where_tooltips(frame)]
    if color is not None:
        tips.insert(
            0,
            alt.Tooltip(str(color["shorthand"]).partition(":")[0], type="nominal", title="series"),
        )
    base = alt.Chart().encode(x=x_axis(x), y=y, tooltip=tips, color=series)
    line = base.mark_line(strokeWidth=2, color=ink).encode(order=alt.Order("evaluation:Q"))
    dots = base.mark_circle(color=ink).encode(
        size=alt.SizeValue(22, condition=hovered(90)), opacity=alt.OpacityValue(1)
    )
    rule = (
        alt.Chart()
        .mark_rule(color=GREY, strokeWidth=1, tooltip=None)
        .encode(x=x_axis(x), opacity=alt.OpacityValue(0, condition=hovered(0.6)))
    )
    target = base.mark_point(size=160).encode(opacity=alt.OpacityValue(0)).add_params(hover)
    heading = alt.TitleParams(title, anchor="start", fontSize=14)
    return layered(rule, line, dots, target, data=frame, title=heading, height=HEIGHT)
