"""What Home shows: links to the other pages, and a picture that the worker makes meanwhile."""

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import plain
from dashboard.shell.navigation import entries, page_path
from dashboard.widgets.run_stage import show_stage
from sdlab.experiment.experiment import Experiment
from sdlab.shipped import EMBEDDED

PAGE = "home"
SCENES = (
    "a parrot on a beach",
    "a penguin in the snow",
    "a sun in the sky",
    "an apple on a white background",
    "a tree on a blue background",
    "a rocket in the night",
)


def scene(number: int, model: str = EMBEDDED) -> Experiment:
    """Return the experiment behind Home's picture number ``number``, from 0."""
    return Experiment(
        prompt=SCENES[number % len(SCENES)],
        seed=1 + number,
        solver="dpmpp_2m",
        num_steps=20,
        model=model,
    )


def ways_on() -> None:
    """Draw the links to the other pages, each with what it is for."""
    ways = {
        "experiment": "Choose words, noise and scheduler; watch it run.",
        "compare": "Samplers side by side, with a verdict in numbers.",
        "runs": "Every run made here, to open, measure and download.",
        "models": "Load a checkpoint: hub id, folder or file.",
    }
    pages = entries()
    with st.grid(4, min_column_width=200):
        for name, text in ways.items():
            _, title, icon, _ = pages[name]
            with st.container(border=True, key=f"home_{name}", gap="xsmall", height="stretch"):
                st.page_link(page_path(name), label=f"**{title}**", icon=f":material/{icon}:")
                st.caption(text)


def picture_of_now() -> None:
    """Draw Home's picture, or its progress; the embedded model makes one without being asked."""
    own, run = lab().status().at_hand, st.session_state.get("home.asked", "")
    heading, button = st.columns([4, 1], vertical_alignment="bottom")
    heading.header("Made on this machine", anchor=False)
    pressed = button.button(
        "Another",
        key="home.another",
        icon=":material/refresh:",
        width="stretch",
        help="Make another picture, with the model in memory",
    )
    if pressed or (not run and own == EMBEDDED):  # once: what was cancelled stays cancelled
        run = _ask(own)
    if not run:
        st.info(
            f"Press **Another**: {plain(own)}, the model in memory, makes a picture here.",
            icon=":material/deployed_code:",
        )
        return
    stored = show_stage(run, PAGE)
    if stored is not None:
        st.page_link(
            page_path("run"),
            label="See how it was made, step by step",
            icon=":material/query_stats:",
            query_params={"id": run},
        )


def _ask(model: str) -> str:
    """Ask for the next scene, show that run from now on, and return its id."""
    number = st.session_state.get("home.number", 0)
    st.session_state["home.number"] = number + 1
    st.session_state["home.asked"] = lab().submit(scene(number, model))
    return st.session_state["home.asked"]
