"""Experiment: choose everything that decides a picture, run it, see every step."""

import streamlit as st

from dashboard.shell.state import shown_run
from dashboard.views.experiment.form import run_form
from dashboard.views.experiment.grid_view import grid_panel, shown_grid
from dashboard.views.run.page import show_details, show_so_far
from dashboard.widgets.lead import lead
from dashboard.widgets.run_stage import show_stage

MENU = {
    "section": "Pictures",
    "title": "Experiment",
    "icon": "science",
    "place": 20,
    "answers": "What does the model draw for my words?",
}

st.title("Experiment", anchor=False)
lead("Choose everything that decides a picture, run it, and look at every step.")

form, stage = st.columns([3, 7], gap="large")
with form:
    run_form("experiment")
with stage:
    grid = shown_grid("experiment")
    run = "" if grid else shown_run("experiment")
    if grid:
        grid_panel("experiment", grid)
    stored = show_stage(run, "experiment") if run else None
    if not run and not grid:
        st.info("Press **Run**: the picture takes shape here.", icon=":material/science:")
if stored is not None:
    show_details(stored)
elif run:
    show_so_far(run)
