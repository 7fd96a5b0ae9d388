"""The scrubber: one or two rows of frames side by side, moved in the browser alone.

The whole sheet of frames goes to the browser once; dragging draws another part of it and asks the
server nothing. A run's scrubber shows x_t beside x0_pred at every kept evaluation; any other sheet
is shown as a ``Film``.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.components.browser_files import component
from dashboard.worker.frames import Sheet

if TYPE_CHECKING:
    import pandas as pd


def frame_labels(steps: "pd.DataFrame", kept: Sequence[int]) -> list[str]:
    """Return what stands below each frame, by the numbers of the tables: from 0.

    Raises:
        ValueError: If an evaluation is not in the table.
    """
    rows = steps.set_index("evaluation")
    missing = [k for k in kept if k not in rows.index]
    if missing:
        raise ValueError(f"The steps table has no evaluation {missing[0]}.")
    return [
        f"evaluation {k} · step {int(rows.at[k, 'step'])} · "
        f"timestep {rows.at[k, 'timestep']:.5g} · sigma {rows.at[k, 'sigma']:.4g}"
        for k in kept
    ]


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
        unit: What one frame stands for, such as "Step".
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


MEANINGS = {
    "x_t": "x_t, what the network is given",
    "x0_pred": "x0_pred, the picture it expects",
}


def scrubber(run: str, sheet: Sheet, steps: "pd.DataFrame", explain: bool = True) -> None:
    """Draw the scrubber of a run.

    Args:
        run: The run's id.
        sheet: Its frames.
        steps: Its steps table, for the captions.
        explain: Whether to say how the frames were drawn.
    """
    film = Film(
        id=f"{run} {sheet.how} {len(sheet.webp)}",
        subject=run,
        sheet="data:image/webp;base64," + base64.b64encode(sheet.webp).decode(),
        size=sheet.size,
        columns=sheet.columns,
        labels=frame_labels(steps, sheet.kept),
        names=sheet.names,
        captions=[MEANINGS[name] for name in sheet.names],
        unit="Evaluation",
    )
    show_film(film, "run.scrubber")
    words = {
        "decoded": "Frames are decoded by the VAE.",
        "linear": "Frames are a linear map from latents to colours; decoding them all takes long.",
        "false colour": "False colours (latent channels 0 to 2): another model is loaded.",
    }
    if explain:
        st.caption(words.get(sheet.how, sheet.how))
