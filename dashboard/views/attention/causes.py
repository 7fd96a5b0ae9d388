"""The causal check of a word's map: where does leaving the word out change the picture?"""

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts import causes as charts
from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain
from dashboard.views.attention.recording import PAGE
from dashboard.views.attention.subject import Subject
from dashboard.views.attention.viewer import Look
from dashboard.widgets.causes_panel import NOT_PLAIN, can_switch
from dashboard.widgets.causes_work import (
    GivenWord,
    ShownCheck,
    show_given_check,
    show_word_check,
)
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.every_word_panel import every_word_panel
from dashboard.widgets.figure import figure, why
from dashboard.widgets.pictures import draw_picture
from dashboard.widgets.study_panel import study_panel
from sdlab.attention.words import labelled
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdlab.models.model import Model
    from sdlab.work import Work

    Asked = tuple[tuple[object, ...], Callable[[Model], Work[ShownCheck]]]

WIDTH = 140
HOW = {"removed": "Removed from the prompt", "masked": "Its positions masked"}
NAMES = {
    "plain": "with the word",
    "without": "without it",
    "map": "its attention map",
    "prediction": "x0_pred changes",
    "picture": "picture changes",
    "object": "where the object is",
    "truth": "where it truly is",
}
PLACES = {
    "object": " Where the object is: the checker finds it in this picture, and the world draws its "
    "outline there; neither the map nor the run without the word is used. Of the map as many cells "
    "count as the object has, so both can agree fully (IoU 1): the model was trained to put "
    "its maps on its objects.",
    "truth": " Where it truly is: the mask with which the sample was drawn.",
}
"""How the place that maps are held against was found, by the picture that shows it."""
PROMISE = (
    "The picture with and without the word, where it changes, and how far that is where the word's "
    "map says it is read."
)
WHY = (
    "A map says where the picture looks at a word. Whether the word decides something there is "
    "found by leaving it out. **x0_pred changes**: at the same x_t the network is asked once "
    "more, without the word; nothing else differs. **Picture changes**: the whole run is "
    "repeated without it; an object that goes makes room for others, so this spreads further. "
    "**IoU**: the cells in the strongest fifth of both maps over those in that of either; against "
    "an object as many cells as it has. Unrelated maps share some by chance, the tick. **Rank "
    "correlation** (Spearman) compares the order of all cells. The map is that of the layers and "
    "evaluations chosen above. Where the object is, the embedded world knows: its checker finds "
    "the object, and its outline is drawn there."
)
PROMISE_GIVEN = (
    "Where x0_pred changes without the word, and how far that is where its map says it is read; of "
    "a sample, also where it truly is."
)
WHY_GIVEN = (
    "A map says where the picture looks at a word. Whether the word decides something there is "
    "found by leaving it out: the network is asked twice about the same noised picture, with the "
    "word and without it; nothing else differs. Samples are scenes whose true masks are known, so "
    "map and change are held against the **true mask** of the word as well. The map is that of "
    "the layers that find the model's objects best in given pictures. **IoU**: the cells in the "
    "strongest fifth of both maps over those in that of either; against the mask as many cells as "
    "it has. Unrelated maps share some by chance, the tick."
)
EQUATION = r"\mathrm{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|}"


def show_word_effect(subject: Subject, look: Look) -> None:
    """Draw the choice of a word, and the check of its map by leaving it out."""
    if look.half != "cond":
        st.info("Choose the prompt: a word of it is left out.")
        return
    if not _can_check(subject):
        return
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    word = bound(left).selectbox("Word", words_of(subject, look), key=word_key(look))
    how = bound(right).segmented_control(
        "Left out how",
        list(HOW),
        format_func=HOW.get,
        key=f"{PAGE}.cause_how",
        help="Masked: the text stays as it was encoded, so later positions still know of the word.",
    )
    about, work = (_of_given if subject.given else _of_run)(subject, look, _bare(word), how)
    runs = [] if subject.run is None else [Experiment.from_dict(subject.run)]
    found = study_panel(f"{PAGE}.cause", "Leave it out", about, work, kind="secondary", runs=runs)
    if found is None:
        st.caption(PROMISE_GIVEN if subject.given else PROMISE)
    else:
        _show(subject, found, word)
    if subject.run is not None:
        every_word_panel(PAGE, runs[0])
    why(WHY_GIVEN if subject.given else WHY, EQUATION)


def word_key(look: Look) -> str:
    """Return the key of the field that says which word is left out."""
    return f"{PAGE}.cause_word.{look.half}"


def words_of(subject: Subject, look: Look) -> list[str]:
    """Return the words that can be left out: those looked at first, then the prompt's others."""
    looked = [name.strip("“”") for name, _ in look.words]
    return list(dict.fromkeys([*looked, *dict(labelled(subject.maps.tokens[look.half]))]))


def _can_check(subject: Subject) -> bool:
    """Return whether the model in memory can be asked without a word, or say why not."""
    if subject.run is not None:
        return can_switch(Experiment.from_dict(subject.run), subject.weights)
    model = lab().status().model
    if model is not None and not model.plain:
        st.info(NOT_PLAIN, icon=":material/block:")
        return False
    return True


def _of_run(subject: Subject, look: Look, word: str, how: str) -> "Asked":
    """Return what decides the check of a run's word, and what makes it."""
    assert subject.run is not None
    spec = Experiment.from_dict(subject.run)
    asked = (word, how, look.layer or "all", look.evaluations)
    return (spec.to_json(), *asked), partial(show_word_check, spec=spec, asked=asked)


def _of_given(subject: Subject, look: Look, word: str, how: str) -> "Asked":
    """Return what decides the check of a given picture's word, and what makes it."""
    picked = subject.picked
    assert picked is not None
    asked = GivenWord(subject.prompt, word, how, float(picked.timestep), picked.seed)
    work = partial(show_given_check, picture=picked.png, asked=asked, scene=picked.scene)
    return (subject.key, asked), work


def _bare(word: str) -> str:
    """Return a word without the number that tells it from equal ones: all are left out."""
    return word.partition(" (")[0]


def _show(subject: Subject, found: ShownCheck, word: str) -> None:
    with st.container(horizontal=True, gap="small"):
        for name, picture in found.pictures.items():
            with st.container(width=WIDTH, gap="xsmall"):
                st.markdown(f"**{NAMES[name]}**")
                alt = f"{word}: {NAMES[name]}"
                draw_picture(picture, alt)
    figure(charts.agreement(found.table), _said(subject, found))
    gone = f" Lost from the picture: {plain(found.gone)}." if found.gone else ""
    row = found.table.iloc[0]  # of map and prediction
    iou, chance = float(row["iou"]), float(row["chance"])
    verdict = (
        "the map points at places where the word decides the prediction"
        if iou > 2 * chance
        else "the map says little about where the word decides the prediction"
    )
    st.caption(f"**So what:** {verdict} (IoU {iou:.2f}, {chance:.2f} by chance).{gone}")
    about = "How far each two maps agree."
    csv_table(found.table, f"word-{word}", f"{PAGE}.csv_cause", about, shown=False)


def _said(subject: Subject, found: ShownCheck) -> str:
    first, last = found.evaluations[0], found.evaluations[-1]
    which = f"of evaluation {first}" if first == last else f"means of evaluations {first} to {last}"
    if subject.picked is not None:
        which = f"of one evaluation at timestep {subject.picked.timestep}"
    how = "".join(PLACES[name] for name in PLACES if name in found.pictures)
    return f"Map and change of x0_pred are {which}. A bar past its tick beats chance.{how}"
