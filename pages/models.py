"""Models: what is loaded, and how to load another."""

import streamlit as st

from dashboard.views.models.page import load_form, model_panel

MENU = {"section": "Run", "title": "Models", "icon": "deployed_code", "place": 60}

st.title("Models", anchor=False)
st.markdown("One model is in memory at a time; runs wait for each other when they need another.")
model_panel()
load_form()
