"""Learn: Stable Diffusion from words to picture, in twelve stations, with your run's numbers."""

import streamlit as st

from dashboard.views.learn.page import learn_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Learn",
    "title": "Learn",
    "icon": "school",
    "place": 70,
    "answers": "How does Stable Diffusion work?",
}

st.title("Stable Diffusion, from words to picture", anchor=False)
lead(
    "Twelve stations, each with a question, a picture of your last run, the equation with that "
    "run's numbers, the code that computes it, and one thing to try."
)
learn_page("learn")
