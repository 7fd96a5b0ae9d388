"""Noise schedules: the noise levels of every sampler on one axis, and what is wrong with them."""

import streamlit as st

from dashboard.views.noise_schedules.page import noise_schedules

MENU = {
    "section": "Noise",
    "title": "Noise schedules",
    "icon": "show_chart",
    "place": 110,
    "answers": "How does the noise fall, sampler by sampler?",
}

st.title("Noise schedules", anchor=False)
st.markdown(
    "Every sampler goes from noise to picture through its own noise levels. Here all of them share "
    "one axis and one definition of sigma, and lint says what is wrong with each."
)
noise_schedules("schedules")
