"""Training: what a network was trained to do, on a picture of yours, with its numbers."""

import streamlit as st

from dashboard.views.training.page import training_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Network",
    "title": "Training",
    "icon": "model_training",
    "place": 420,
    "answers": "What was the network trained to do?",
}

st.title("Training", anchor=False)
lead(
    "One step of training without its learning: hide a picture under noise, ask the network what "
    "is noise, and compare with the noise that was put in."
)
training_page("training")
