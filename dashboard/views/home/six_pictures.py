"""What happened between the words and the picture, in six pictures made of the stored run."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.navigation import link_to
from dashboard.widgets.clearest_word import clearest_word as _attention
from dashboard.widgets.pictures import draw_picture, enlarged
from dashboard.widgets.prompt_pieces import pieces_html as _pieces_html
from dashboard.widgets.prompt_pieces import pieces_of as _pieces
from dashboard.widgets.run_frame import frame_png as _frame_png
from dashboard.widgets.run_stage import read_tables
from dashboard.widgets.run_ways import latents_of, words_of
from dashboard.widgets.ticking_panel import ticking_panel
from dashboard.worker.frames import Sheet
from dashboard.worker.stored_runs import StoredRun
from sdlab.experiment.experiment import Experiment

LATE = 0.5
"""How far the run is in the second prediction, as a share of its evaluations."""


class Station(NamedTuple):
    """One of the pictures.

    Attributes:
        title: What happens there.
        draw: Draws the picture.
        page: The page that shows it.
        fields: What that page's address holds.
    """

    title: str
    draw: Callable[[], object]
    page: str
    fields: dict[str, str]


def six_pictures(run: StoredRun | None) -> None:
    """Draw the six pictures of a run, once it is stored and its frames are drawn."""
    st.header("Between your words and this picture", anchor=False)
    if run is None:
        st.caption("Six pictures tell it here, once the picture is made.")
        return
    if not lab().frames.busy_with(run.id) and lab().frames.sheet(run.id) is None:
        st.caption("This run kept nothing to tell it by.")
        return
    if not _ready(run):
        ticking_panel(lambda: _wait(run))
        return
    with st.grid(2, min_column_width=130, gap="medium"):
        for number, station in enumerate(_stations(run), 1):
            with st.container(gap="xsmall", key=f"home_station_{number}"):
                station.draw()
                link_to(station.page, f"{number}. {station.title}", **station.fields)


def _ready(run: StoredRun) -> bool:
    """Return whether all can be drawn at once: reading attention needs what the model imports."""
    status = lab().status()
    return lab().frames.sheet(run.id) is not None and bool(status.model or status.load_error)


def _wait(run: StoredRun) -> bool:
    if _ready(run):
        return False
    st.caption(":material/hourglass_top: Drawing them …")
    return True


def _stations(run: StoredRun) -> Iterator[Station]:
    experiment, sheet = Experiment.from_dict(run.manifest["experiment"]), lab().frames.sheet(run.id)
    assert sheet is not None
    changed = str(run.manifest["created"])
    pieces = _pieces(read_tables(run)["tokens"])
    yield Station(
        f"Your words, {len(pieces)} tokens",
        lambda: st.html(_pieces_html(pieces)),
        "tokens",
        dict(words_of(experiment)),
    )
    last = len(sheet.kept) - 1
    frames = (
        ("x_t", 0, "The start: noise", "run"),
        ("x0_pred", 0, "First guess", "latents"),
        ("x0_pred", round(LATE * last), "Half way", "run"),
    )
    noise, early, late = (
        Station(
            title, _frame(run.id, changed, sheet, name, index), page,
            dict(latents_of(run.id)) if page == "latents" else _at(run.id, name, sheet.kept[index]),
        )
        for name, index, title, page in frames
        if name in sheet.names
    )  # fmt: skip
    yield noise
    yield early
    found = _attention(str(run.folder), changed, experiment.model)
    if found is not None:
        word, picture = found
        yield Station(
            f"Where “{word}” is read",
            lambda: draw_picture(
                picture, f"Attention: where the word {word} is read in the picture"
            ),
            "attention",
            {"run": run.id, "attention.of": "A run"},
        )
    yield late
    words = f"The finished picture of: {experiment.prompt}"
    yield Station(
        "The picture", lambda: draw_picture(enlarged(run.picture), words), "run", {"id": run.id}
    )


def _at(run: str, layer: str, evaluation: int) -> dict[str, str]:
    """Return the address parameters of the Run page at a frame."""
    return {"id": run, "layer": layer, "step": str(evaluation)}


def _frame(run: str, changed: str, sheet: Sheet, name: str, index: int) -> Callable[[], object]:
    words = f"{name} at evaluation {sheet.kept[index]}"
    return lambda: draw_picture(
        _frame_png(run, f"{changed} {sheet.how}", name, index, sheet), words
    )
