"""What Home shows: a picture that the worker makes meanwhile, and the pages by what they answer."""

import streamlit as st

from dashboard.components.browser_files import style
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, plain
from dashboard.shell.navigation import entries, link_to
from dashboard.shell.presses import Press, press_of
from dashboard.views.home.six_pictures import six_pictures
from dashboard.widgets.first_picture import CHOSEN
from dashboard.widgets.first_picture import first_picture as drawn
from dashboard.widgets.known_words import say_known
from dashboard.widgets.queue_news import queue_news
from dashboard.widgets.run_stage import ask_run, show_stage
from dashboard.widgets.run_ways import change_button
from dashboard.worker.stored_runs import StoredRun
from sdlab.experiment.experiment import Experiment
from sdlab.shipped import EMBEDDED, SHIPPED

PAGE = "home"
SCENES = (
    "a penguin in the snow",
    "a sun in the sky",
    "an apple on a white background",
    "a tree on a blue background",
    "a rocket in the night",
)
SEED = 7


def scene(number: int, model: str = EMBEDDED) -> Experiment:
    """Return the experiment behind Home's picture number ``number``, from 0."""
    if number == 0:
        return drawn(*CHOSEN, model)
    return drawn(SCENES[(number - 1) % len(SCENES)], number, model)


def home_page() -> None:
    """Draw the page below its title."""
    queue_news(PAGE)
    own = lab().status().at_hand
    asked = _asked(own)
    left, right = st.columns(2, gap="large")
    with left:
        stored = picture_of_now(own, asked)
    with right:
        six_pictures(stored)
        if stored is not None:
            _ways_on(stored)
    questions()


def questions() -> None:
    """Draw links to all other pages, each by the question that it answers."""
    st.header("What do you want to know?", anchor=False)
    st.html(style(__file__))
    with st.container(key="home_questions"), st.grid(4, min_column_width=210, gap="small"):
        for name, entry in entries().items():
            if name == PAGE:
                continue
            with st.container(border=True, key=f"home_{name}", gap=None, height="stretch"):
                link_to(name, entry.answers or entry.title)
                st.caption(entry.title)


def picture_of_now(own: str, asked: tuple[Experiment, Press] | None) -> StoredRun | None:
    """Draw Home's picture, or its progress; the embedded model makes one without being asked.

    Args:
        own: The model in memory.
        asked: What was asked for just now, with the press of its button, if anything.
    """
    run = st.session_state.get("home.asked", "")
    st.header("Made on this machine", anchor=False)
    if asked is None and not run and own == EMBEDDED:  # once: what was cancelled stays cancelled
        asked = _next(own), Press()
    if asked is not None:
        run = st.session_state["home.asked"] = ask_run(*asked)
        asked[1].end()
    if not run:
        st.info(
            f"Press **Draw**: {plain(own)}, the model in memory, makes a picture here.",
            icon=":material/deployed_code:",
        )
        return None
    return show_stage(run, PAGE)


def _ways_on(stored: StoredRun) -> None:
    """Say how the picture's seed was chosen, and lead on from its run."""
    experiment = Experiment.from_dict(stored.manifest["experiment"])
    if (experiment.prompt, experiment.seed) == CHOSEN:
        st.caption("This seed was chosen by eye among 30.", help="Other pictures' were not.")
    with st.container(horizontal=True, vertical_alignment="center"):
        link_to("run", "See every step", id=stored.id)
        change_button(stored.id, experiment, PAGE)


def _asked(model: str) -> tuple[Experiment, Press] | None:
    """Draw the field for words and the buttons; return what was asked for by them just now."""
    draw, another = press_of("home.draw"), press_of("home.another")
    form = st.form("home.form", border=False)
    with form, st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        words = st.text_input(
            "Your words", key="home.words", placeholder="a red car below a tree", width="stretch"
        )
        st.form_submit_button("Draw", key="home.draw", icon=":material/brush:", on_click=draw.note)
        st.form_submit_button(
            "Another",
            key="home.another",
            icon=":material/refresh:",
            help="Another of our pictures, made with the model in memory",
            on_click=another.note,
        )
    if model in SHIPPED:
        say_known(words)
    if another.wanted():
        return _next(model), another
    if not draw.wanted():
        return None
    if not words.strip():
        return _next(model), draw
    with explained():
        return drawn(words.strip(), SEED, model), draw


def _next(model: str) -> Experiment:
    number = st.session_state.get("home.number", 0)
    st.session_state["home.number"] = number + 1
    return scene(number, model)
