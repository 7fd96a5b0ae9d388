"""Runs: everything that was run here, the latest first."""

import streamlit as st

from dashboard.views.runs.page import show_runs
from dashboard.widgets.lead import lead

MENU = {
    "section": "Pictures",
    "title": "Runs",
    "icon": "grid_view",
    "place": 40,
    "answers": "What was made here before?",
}

st.title("Runs", anchor=False)
lead("Find what was made here, compare and mark it. Tick runs to see what can be done with them.")
show_runs()
