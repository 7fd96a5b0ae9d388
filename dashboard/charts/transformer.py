"""The map of a transformer: its blocks as a column, in two lanes for picture and text.

A joint block is a box in each lane, tied together by its attention; a block whose text and picture
are one sequence is one box over both. Beside each stand its parameters, its multiply-adds and its
time as bars, each to its own largest. The table is that of ``sdlab.anatomy.network_map``.
"""

from typing import Any

import altair as alt
import pandas as pd

from dashboard.charts.base import GREY, layered, require, titled
from dashboard.charts.network import COLUMNS, coloured, picking, tooltips

LANES = {"picture": (0.0, 0.9), "text": (1.1, 2.0), "both": (0.0, 2.0), "vector": (0.8, 1.2)}
"""From where to where a box reaches, in lanes."""
BARS = {"parameters": "params", "macs": "MACs", "ms": "time"}
FIRST_BAR, STEP, LONGEST = 2.3, 1.15, 1.05
RIGHT = FIRST_BAR + STEP * len(BARS)
LEFT = -3.1
HEADER = -1.0  # the row of the headings
MOST, LEAST, WHOLE = 20, 11, 620  # pixels of a row, and of all rows where they fit
ABOVE = 110  # pixels of heading and legend


def transformer_map(table: pd.DataFrame, colour: str = "kind", chosen: str = "") -> alt.LayerChart:
    """Return the map of a transformer, from top to bottom in order of computation.

    Args:
        table: As ``sdlab.anatomy.network_map`` makes it.
        colour: A name of ``sdlab``'s columns by which boxes and bars are coloured, of ``COLOURS``.
        chosen: The block to mark.

    Raises:
        ValueError: If the colour is another, or a column is missing.
    """
    frame = require(table, [*COLUMNS, "streams"], "transformer map").reset_index(drop=True)
    frame = frame.assign(top=frame["order"] + 0.12, bottom=frame["order"] + 0.88)
    y = alt.Y(
        "top:Q", axis=None, scale=alt.Scale(domain=[HEADER - 0.2, len(frame) + 0.2], reverse=True)
    )
    x = alt.X("left:Q", axis=None, scale=alt.Scale(domain=[LEFT, RIGHT]))
    places = x, y
    row = max(LEAST, min(MOST, WHOLE // max(1, len(frame))))
    layers = [
        *_flow(frame, places),
        _mark(frame[frame["block"] == chosen], places),
        _boxes(_boxed(frame), places, colour),
        _boxes(_barred(frame), places, colour),
        _words(frame, places, row),
        _headings(places),
    ]
    heading = "The network, from top to bottom"
    return titled(layered(*layers), heading, row * (len(frame) + 1) + ABOVE)


def lanes_of(row: Any) -> list[str]:
    """Return the lanes of ``LANES`` in which a block of the table has a box."""
    if row["streams"] == "joint":
        return ["picture", "text"]
    if row["streams"] == "single":
        return ["both"]
    if row["kind"] == "text embedding":
        return ["text"]
    return ["picture" if row["height"] or row["streams"] else "vector"]


def _boxed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each box, with the ends of its lane."""
    found = [(at, lane) for at, row in frame.iterrows() for lane in lanes_of(row)]
    lanes = [lane for _, lane in found]
    ends = [LANES[lane] for lane in lanes]
    boxes = frame.loc[[at for at, _ in found]].assign(lane=lanes)
    return boxes.assign(left=[one for one, _ in ends], right=[other for _, other in ends])


def _barred(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each bar: of a block's parameters, multiply-adds and time."""
    bars = []
    for number, name in enumerate(BARS):
        left = FIRST_BAR + number * STEP
        share = frame[name] / (frame[name].max() or 1)
        bars.append(frame.assign(left=left, right=left + LONGEST * share))
    return pd.concat(bars, ignore_index=True)


def _boxes(frame: pd.DataFrame, places: tuple[alt.X, alt.Y], colour: str) -> alt.Chart:
    x, y = places
    chart = (
        alt.Chart(frame)
        .mark_rect(opacity=1, cornerRadius=2, cursor="pointer")
        .encode(x=x, x2="right:Q", y=y, y2="bottom:Q", color=coloured(colour), tooltip=tooltips())
    )
    return chart.add_params(picking()) if "lane" in frame else chart


def _flow(frame: pd.DataFrame, places: tuple[alt.X, alt.Y]) -> list[alt.Chart]:
    """Return the lines behind the boxes: each stream on its way, and what ties a joint block."""
    x, y = places
    middle = {lane: sum(LANES[lane]) / 2 for lane in ("picture", "text")}
    boxes = _boxed(frame)
    ways = []
    for lane, at in middle.items():
        own = boxes[boxes["lane"].isin([lane, "both"])]
        if len(own):
            ways.append({"left": at, "top": own["top"].min(), "bottom": own["bottom"].max()})
    down = (
        alt.Chart(pd.DataFrame(ways, columns=["left", "top", "bottom"]))
        .mark_rule(color=GREY, opacity=0.5, strokeWidth=2)
        .encode(x=x, y=y, y2="bottom:Q")
    )
    joint = frame[frame["streams"] == "joint"]
    ties = joint.assign(top=joint["order"] + 0.5, left=LANES["picture"][1], right=LANES["text"][0])
    across = alt.Chart(ties).mark_rule(color=GREY, strokeWidth=2).encode(x=x, x2="right:Q", y=y)
    return [down, across]


def _mark(frame: pd.DataFrame, places: tuple[alt.X, alt.Y]) -> alt.Chart:
    x, y = places
    around = frame.assign(
        top=frame["order"] - 0.02, bottom=frame["order"] + 1.02, left=LEFT, right=RIGHT
    )
    return (
        alt.Chart(around)
        .mark_rect(filled=False, stroke=GREY, strokeWidth=2, cornerRadius=3)
        .encode(x=x, x2="right:Q", y=y, y2="bottom:Q")
    )


def _words(frame: pd.DataFrame, places: tuple[alt.X, alt.Y], row: int) -> alt.Chart:
    x, y = places
    return (
        alt.Chart(frame.assign(left=-0.1, top=frame["order"] + 0.5))
        .mark_text(align="right", color=GREY, fontSize=min(12, row), limit=190)
        .encode(x=x, y=y, text="words:N")
    )


def _headings(places: tuple[alt.X, alt.Y]) -> alt.Chart:
    x, y = places
    lanes = [{"text": lane, "left": LANES[lane][0]} for lane in ("picture", "text")]
    bars = [
        {"text": words, "left": FIRST_BAR + number * STEP}
        for number, words in enumerate(BARS.values())
    ]
    return (
        alt.Chart(pd.DataFrame([*lanes, *bars]).assign(top=HEADER + 0.5))
        .mark_text(align="left", color=GREY, fontSize=11)
        .encode(x=x, y=y, text="text:N")
    )
