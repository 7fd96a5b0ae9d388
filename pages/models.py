"""Models: what is loaded, and how to load another."""

import streamlit as st

from dashboard.views.models.folders import model_folders
from dashboard.views.models.listing import model_list
from dashboard.views.models.page import load_form, model_panel
from dashboard.widgets.lead import lead

MENU = {
    "section": "Pictures",
    "title": "Models",
    "icon": "deployed_code",
    "place": 60,
    "answers": "How do I use my own model?",
}

st.title("Models", anchor=False)
lead("One model is in memory at a time; runs wait for each other when they need another.")
model_panel()
load_form()
model_list()
model_folders()
