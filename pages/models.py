"""Models: what is loaded, and how to load another."""

import streamlit as st

from dashboard.shell.model_asker import may_have_any
from dashboard.views.models.folders import model_folders
from dashboard.views.models.listing import model_list, offered_list
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
lead(
    "Models stay in memory side by side while there is room; the least used makes room for others."
)
model_panel()
if may_have_any():
    load_form()
offered_list()
if may_have_any():
    model_list()
    model_folders()
