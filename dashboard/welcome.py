"""What Home shows: the ways on, and a picture that the worker makes while you read."""

import streamlit as st

from dashboard.lab import lab
from dashboard.navigation import page_path
from dashboard.run_view import show_stage
from sdlab.sampling.experiment import Experiment

PAGE = "home"
SCENES = (
    "a parrot on a beach",
    "a penguin in the snow",
    "a sun in the sky",
    "an apple on a white background",
    "a tree on a blue background",
    "a rocket in the night",
)


def scene(number: int) -> Experiment:
    """Return the experiment behind Home's picture number ``number``, from 0."""
    return Experiment(
        prompt=SCENES[number % len(SCENES)], seed=1 + number, solver="dpmpp_2m", num_steps=20
    )


def ways_on() -> None:
    """Draw the links to the other pages, each with what it is for."""
    ways = (
        ("experiment", "Experiment", "science", "Choose words, noise and scheduler; watch it run."),
        ("compare", "Compare", "compare", "Samplers side by side, with a verdict in numbers."),
        ("runs", "Runs", "grid_view", "Every run made here, to open, measure and download."),
        ("models", "Models", "deployed_code", "Load a checkpoint: hub id, folder or file."),
    )
    with st.grid(4, min_column_width=200):
        for name, label, icon, text in ways:
            with st.container(border=True, key=f"home_{name}", gap="xsmall", height="stretch"):
                st.page_link(page_path(name), label=f"**{label}**", icon=f":material/{icon}:")
                st.caption(text)


def picture_of_now() -> None:
    """Ask for Home's picture and draw it, or its progress."""
    number = st.session_state.get("home.number", 0)
    experiment = scene(number)
    heading, button = st.columns([4, 1], vertical_alignment="bottom")
    heading.header("Made on this machine", anchor=False)
    button.button(
        "Another",
        key="home.another",
        icon=":material/refresh:",
        on_click=_next,
        width="stretch",
        help="Make another picture",
    )
    run = experiment.id
    if st.session_state.get("home.asked") != run:  # once: what was cancelled stays cancelled
        st.session_state["home.asked"] = lab().submit(experiment)
    stored = show_stage(run, PAGE)
    if stored is not None:
        st.page_link(
            page_path("run"),
            label="See how it came about, step by step",
            icon=":material/query_stats:",
            query_params={"id": run},
        )


def _next() -> None:
    st.session_state["home.number"] = st.session_state.get("home.number", 0) + 1
