"""What a report is made of, whatever it is a report of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import altair as alt
import pandas as pd

MOST_ROWS = 200
"""Rows of a table in a report."""
POINTS = 1500
"""Rows of a chart in a report, about: so a dozen charts take 3 MB at most."""


@dataclass(frozen=True)
class Words:
    """Paragraphs, or the points of a list."""

    kind: ClassVar[str] = "words"
    texts: tuple[str, ...]
    listed: bool = False


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    kind: ClassVar[str] = "facts"
    values: Mapping[str, str]


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        png: Its file.
        name: What it shows, for its caption.
        line: A second line of the caption.
        color: Of its sampler; "" for none.
        alt: What it is, for those who cannot see it.
    """

    png: bytes
    name: str = ""
    line: str = ""
    color: str = ""
    alt: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, ``side`` CSS pixels wide at least, and a sentence about them."""

    kind: ClassVar[str] = "gallery"
    pictures: tuple[Picture, ...]
    seen: str = ""
    side: int = 160


@dataclass(frozen=True)
class Figures:
    """Charts side by side, each with the line that says what is seen, and why it is so."""

    kind: ClassVar[str] = "figures"
    charts: tuple[tuple[alt.Chart | alt.LayerChart, str], ...]
    why: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """A table, at most ``MOST_ROWS`` of its rows.

    Attributes:
        frame: The table.
        name: Its heading.
        about: A sentence.
        meanings: What a column means, by its name.
        folded: Whether it is shown on a click only.
    """

    kind: ClassVar[str] = "table"
    frame: pd.DataFrame
    name: str
    about: str = ""
    meanings: Mapping[str, str] = field(default_factory=dict)
    folded: bool = True


@dataclass(frozen=True)
class Code:
    """Lines to copy, with what they are for."""

    kind: ClassVar[str] = "code"
    text: str
    name: str
    folded: bool = False


Part = Words | Facts | Gallery | Figures | Table | Code


@dataclass(frozen=True)
class Section:
    """Parts under a heading."""

    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        title: What it is of.
        lead: The sentence below that.
        sections: In their order; those without parts are left out.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]

    @property
    def shown(self) -> tuple[Section, ...]:
        """The sections that hold something."""
        return tuple(section for section in self.sections if section.parts)
