"""Workbench: make a noise schedule of your own, see it, try it, keep it."""

import streamlit as st

from dashboard.views.workbench.page import workbench
from dashboard.widgets.lead import lead

MENU = {
    "section": "Noise",
    "title": "Workbench",
    "icon": "architecture",
    "place": 140,
    "answers": "Can I draw a noise schedule of my own?",
}

st.title("Workbench", anchor=False)
lead(
    "Make a sigma curve of your own by formula, table or dragging; see what is wrong with it, "
    "try it beside another, save it and export it."
)
workbench()
