"""Experiment: choose everything that decides a picture, run it, see every step."""

import streamlit as st

from dashboard.experiment_form import run_form
from dashboard.run_view import show_details, show_stage
from dashboard.state import shown_run

st.title("Experiment", anchor=False)
st.markdown("Choose what decides a picture, run it, and look at every step of the way.")

form, stage = st.columns([3, 7], gap="large")
with form:
    run_form("experiment")
with stage:
    run = shown_run("experiment")
    stored = show_stage(run, "experiment") if run else None
    if not run:
        st.info("Press **Run**: the picture takes shape here.", icon=":material/science:")
if stored is not None:
    show_details(stored)
