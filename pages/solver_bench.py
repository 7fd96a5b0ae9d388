"""Solver bench: how accurate solvers are, on data whose truth is known."""

import streamlit as st

from dashboard.views.solver_bench.page import solver_bench
from dashboard.widgets.lead import lead

MENU = {
    "section": "Noise",
    "title": "Solver bench",
    "icon": "speed",
    "place": 130,
    "answers": "Which solver is most exact for its steps?",
}

st.title("Solver bench", anchor=False)
lead(
    "How far from the true result does a solver end? On simple data in the network's place the "
    "truth is known, so every error is the solver's own."
)
solver_bench("bench")
