"""Where a word is read, before and after a switch: its attention map in both runs."""

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from dashboard.shell.address import bound
from dashboard.widgets.pictures import draw_picture, png
from dashboard.widgets.study_panel import study_panel
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from dashboard.widgets.causes_work import MakeChanges
    from sdlab.models.model import Model
    from sdlab.work import Work

SIDE = 256


class Maps(NamedTuple):
    """A word's map over the picture as it is, and over the changed one.

    Attributes:
        before: PNG.
        after: PNG.
        alike: Pearson's correlation of the two maps; NaN if one is the same everywhere.
        change: What was switched, in words.
    """

    before: bytes
    after: bytes
    alike: float
    change: str


def attention_before_and_after(
    page: str, spec: Experiment, about: tuple[Any, ...], make: "MakeChanges"
) -> None:
    """Draw the choice of a word and its attention before and after the first of the changes.

    Args:
        page: For the widget keys.
        spec: The plain run.
        about: All that decides the changes.
        make: (model, run) -> the changes.
    """
    words = list(dict.fromkeys(spec.prompt.replace(",", " ").split()))
    if not words:
        return
    with st.expander("Attention before and after", icon=":material/visibility:"):
        longest = max(words, key=len)
        word = bound().selectbox("Word", words, words.index(longest), key=f"{page}.word", width=220)
        found: Maps | None = study_panel(
            f"{page}.maps",
            "Record both",
            (spec.to_json(), about, word),
            partial(_both, spec, make, word),
            kind="secondary",
            runs=[spec],
        )
        if found is None:
            st.caption("Where the word is read in the run as it is and with the switch.")
            return
        for column, picture, said in zip(
            st.columns(2, gap="medium"),
            (found.before, found.after),
            ("The run as it is", found.change),
            strict=True,
        ):
            with column:
                draw_picture(picture, f"Where {word} is read: {said}", SIDE)
            column.caption(said)
        st.caption(
            f"Light: the place looks at the word. The two maps agree with a correlation of "
            f"{found.alike:.2f}."
        )


def _both(spec: Experiment, make: "MakeChanges", word: str, model: "Model") -> "Work[Maps]":
    import numpy as np

    from sdlab.attention.pictures import overlay
    from sdlab.causes.counterfactuals import running
    from sdlab.experiment.attention_record import AttentionRecord
    from sdlab.experiment.record import Record
    from sdlab.work import counted

    record = Record((), statistics=False, attention=AttentionRecord())
    asked = spec.with_(record=record)
    change = make(model, spec)[0]
    total = 2 * spec.num_steps
    plain = yield from counted(running(model, asked), 0, total)
    other = yield from counted(
        running(model, change.applied(asked), change.switches), spec.num_steps, total
    )
    maps = [run.heatmap(word) for run in (plain, other)]
    flat = [one.ravel() - one.mean() for one in maps]
    size = float(np.linalg.norm(flat[0]) * np.linalg.norm(flat[1]))
    alike = float(flat[0] @ flat[1]) / size if size else float("nan")
    before, after = (
        png(overlay(run.image, values), SIDE)
        for run, values in zip((plain, other), maps, strict=True)
    )
    return Maps(before, after, alike, change.name)
