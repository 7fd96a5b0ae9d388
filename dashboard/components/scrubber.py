"""The scrubber: one or two rows of frames side by side, moved in the browser.

The whole sheet of frames goes to the browser once; dragging draws another part of it and asks the
server nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.components.browser_files import component


@dataclass(frozen=True)
class Film:
    """Frames to scrub through.

    Attributes:
        id: Changes when anything of it does.
        subject: The scrubber keeps its place while this stays the same.
        sheet: A data URL of the sheet: one row of frames for each name, wrapped into bands.
        size: (width, height) of one frame, in pixels.
        columns: Frames a band.
        labels: What stands below each frame.
        names: What each row shows, in a word: one or two.
        captions: What each row shows, in a sentence.
        unit: What one frame is, such as "Step".
        details: For each row and frame, what stands below it; or None.
        marks: The names of the frames in a strip of small ones; or None for no strip.
    """

    id: str
    subject: str
    sheet: str
    size: tuple[int, int]
    columns: int
    labels: Sequence[str]
    names: Sequence[str]
    captions: Sequence[str]
    unit: str
    details: Sequence[Sequence[str]] | None = None
    marks: Sequence[str] | None = None


def show_film(film: Film, key: str) -> None:
    """Draw the scrubber of a film; ``key`` is the widget's."""
    data = {
        "run": film.subject,
        "id": film.id,
        "sheet": film.sheet,
        "size": film.size,
        "columns": film.columns,
        "labels": film.labels,
        "names": film.names,
        "captions": film.captions,
        "unit": film.unit,
        "details": film.details,
        "marks": film.marks,
    }
    component("scrubber")(data=data, key=key)
