"""The viewer of a run: one large picture, its layers, and a slider through the evaluations.

The sheet of all frames goes to the browser once; moving draws another part of it. Where the slider
came to rest is told to the server, so that an address can name it.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import streamlit as st

from dashboard.components.browser_files import component


@dataclass(frozen=True)
class Heat:
    """Heat maps of words, to be drawn over the still picture.

    The sheet has the maps of the first word, then those of the next, row by row, in grey.

    Attributes:
        words: What to choose from.
        places: For each frame, which of a word's maps is its own; None where there is none.
        count: Maps a word.
        size: (width, height) of one map, in cells.
        columns: Maps in a row of the sheet.
    """

    words: Sequence[str]
    places: Sequence[int | None]
    count: int
    size: tuple[int, int]
    columns: int


@dataclass(frozen=True)
class Layer:
    """One thing to see in the viewer.

    Attributes:
        name: What it is, in a word.
        source: Address of its picture, or of the sheet that its frames are on; "" if none is yet.
        caption: What it shows, in a sentence.
        row: Its row in each band of the sheet; None for what is not on it.
        heat: How its heat maps lie on their sheet; with neither it is one still picture.
        alt: What the still picture is, for who cannot see it.
        frames: What the strip of its small frames shows, in a sentence.
        words: What the name means, for the button; "" where it is plain.
        draft: What its frames are if they are not decoded: "linear preview"; "" if they are.
        notes: Of each frame a sentence that stands below the slider; none for no sentences.
        why: The words of the link behind that sentence.
        href: Where that link leads; the frame's evaluation is put behind it.
        tab: The tab that is open there, which comes into view.
    """

    name: str
    source: str
    caption: str
    row: int | None = None
    heat: Heat | None = None
    alt: str = ""
    frames: str = ""
    words: str = ""
    draft: str = ""
    notes: Sequence[str] = ()
    why: str = ""
    href: str = ""
    tab: str = ""


class Place(NamedTuple):
    """Where the viewer stands: the layer's name, frame (None for a still) and word."""

    layer: str = ""
    frame: int | None = None
    word: str = ""


@dataclass(frozen=True)
class Layers:
    """What there is to see.

    Attributes:
        id: Changes when anything of it but a still picture and ``live`` does.
        subject: The viewer keeps its place while this stays the same.
        name: For the names of files.
        layers: At least one.
        aspect: (width, height) of the picture, for its shape.
        size: (width, height) of one frame, in pixels.
        columns: Frames a band of the sheet.
        rows: Rows a band of the sheet.
        numbers: The evaluation of each frame.
        labels: What stands below each frame.
        start: Where to begin.
        small: Whether it is a small one, beside other things.
        marks: The names of the frames in a strip of small ones; None for no strip.
        empty: What to say where no picture is yet.
        live: Evaluations done of a run that is not; its latest still goes into the strip.
    """

    id: str
    subject: str
    name: str
    layers: Sequence[Layer]
    aspect: tuple[int, int]
    size: tuple[int, int] = (1, 1)
    columns: int = 1
    rows: int = 1
    numbers: Sequence[int] = ()
    labels: Sequence[str] = ()
    start: Place = field(default_factory=Place)
    small: bool = False
    marks: Sequence[str] | None = None
    empty: str = ""
    live: int = 0


def show_layers(
    layers: Layers,
    key: str,
    rested: Callable[[Place], None] | None = None,
    asked: Callable[[int], None] | None = None,
) -> None:
    """Draw the viewer.

    Args:
        layers: What there is to see.
        key: The widget's.
        rested: Called with where the viewer came to rest, once it was moved.
        asked: Called with the evaluation of the note whose link was clicked.
    """

    def heard() -> None:
        place = st.session_state[key].place
        if rested is not None and place["subject"] == layers.subject:
            rested(Place(place["layer"], place["frame"], place["word"]))

    def clicked() -> None:
        number = st.session_state[key].asked
        if asked is not None and number in layers.numbers:
            asked(int(number))

    data = asdict(layers) | {"start": layers.start._asdict()}
    # In a list: of each value of a mapping Streamlit asks pandas whether it is a table, and the
    # first page would wait for that import.
    viewer = component("layer_viewer")
    viewer(data=[data], key=key, on_place_change=heard, on_asked_change=clicked)
