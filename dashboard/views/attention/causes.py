"""The causal check of a word's map: where does leaving the word out change the picture?"""

from functools import partial

import streamlit as st

from dashboard.charts import causes as charts
from dashboard.shell.address import bound
from dashboard.shell.messages import plain
from dashboard.views.attention.recording import PAGE
from dashboard.views.attention.subject import Subject
from dashboard.views.attention.viewer import Look
from dashboard.widgets.causes_panel import can_switch
from dashboard.widgets.causes_work import ShownCheck, show_word_check
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.widgets.study_panel import study_panel
from sdlab.experiment.experiment import Experiment

WIDTH = 140
HOW = {"removed": "Removed from the prompt", "masked": "Its positions masked"}
NAMES = {
    "plain": "with the word",
    "without": "without it",
    "map": "its attention map",
    "prediction": "x0_pred changes",
    "picture": "picture changes",
    "object": "where the object is",
}
PROMISE = (
    "The picture with and without the word, where it changes, and how far that is where the word's "
    "map says it acts."
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
EQUATION = r"\mathrm{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|}"


def show_word_effect(subject: Subject, look: Look) -> None:
    """Draw the choice of a word, and the check of its map by leaving it out."""
    if subject.run is None or look.half != "cond":
        st.info("Choose a run, and its prompt: a word of it is left out, and the run repeated.")
        return
    spec = Experiment.from_dict(subject.run)
    if not can_switch(spec, subject.weights):
        return
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    names = [name.strip("“”") for name, _ in look.words]
    word = left.selectbox("Word", names, key=f"{PAGE}.cause_word.{look.half}")
    how = bound(right).segmented_control(
        "Left out how",
        list(HOW),
        format_func=HOW.get,
        key=f"{PAGE}.cause_how",
        help="Masked: the text stays as it was encoded, so later positions still know of the word.",
    )
    asked = (_bare(word), how, look.layer or "all", look.evaluations)
    about = (spec.to_json(), *asked)
    work = partial(show_word_check, spec=spec, asked=asked)
    found = study_panel(f"{PAGE}.cause", "Leave it out", about, work, kind="secondary")
    if found is None:
        st.caption(PROMISE)
    else:
        _show(found, word)
    why(WHY, EQUATION)


def _bare(word: str) -> str:
    """Return a word without the number that tells it from equal ones: all are left out."""
    return word.partition(" (")[0]


def _show(found: ShownCheck, word: str) -> None:
    with st.container(horizontal=True, gap="small"):
        for name, picture in found.pictures.items():
            with st.container(width=WIDTH, gap="xsmall"):
                st.markdown(f"**{NAMES[name]}**")
                alt = f"{word}: {NAMES[name]}"
                st.image(picture, output_format="PNG", width=WIDTH, alt=alt)
    figure(charts.agreement(found.table), _said(found))
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


def _said(found: ShownCheck) -> str:
    first, last = found.evaluations[0], found.evaluations[-1]
    which = f"evaluation {first}" if first == last else f"evaluations {first} to {last}"
    return f"Map and change of x0_pred are means of {which}. A bar past its tick beats chance."
