"""Playground: train a diffusion model of points in the plane, and watch it learn."""

import streamlit as st

from dashboard.views.playground.page import playground_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Network",
    "title": "Playground",
    "icon": "scatter_plot",
    "place": 430,
    "answers": "Can I watch a diffusion model learn?",
}

st.title("Playground", anchor=False)
lead(
    "A diffusion model of points in the plane: choose what it learns and how, train it in a few "
    "seconds, and see how near it comes to the truth."
)
playground_page("playground")
