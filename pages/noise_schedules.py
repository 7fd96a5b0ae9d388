"""Noise schedules: every sampler's way from noise to picture, on one axis, with what is wrong."""

import streamlit as st

from dashboard.views.noise_schedules.page import noise_schedules

MENU = {"section": "Noise", "title": "Noise schedules", "icon": "show_chart", "place": 110}

st.title("Noise schedules", anchor=False)
st.markdown(
    "Every sampler takes its own way from noise to picture. Here all ways share one axis and one "
    "definition of sigma, and lint says what is wrong with each."
)
noise_schedules("schedules")
