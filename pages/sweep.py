"""Sweep: one experiment varied along any fields, with what came of it as a table and charts."""

import streamlit as st

from dashboard.views.sweep.page import sweep_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Pictures",
    "title": "Sweep",
    "icon": "tune",
    "place": 35,
    "answers": "Which settings are best, over many seeds?",
}

st.title("Sweep", anchor=False)
lead(
    "One experiment varied along any fields, measured over all its pictures; it can be ended and "
    "goes on where it was."
)
sweep_page("sweep")
