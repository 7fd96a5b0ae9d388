"""Noise schedules: the noise levels of every sampler on one axis, and what is wrong with them."""

import streamlit as st

from dashboard.views.noise_schedules.page import noise_schedules
from dashboard.widgets.lead import lead

MENU = {
    "section": "Noise",
    "title": "Noise schedules",
    "icon": "show_chart",
    "place": 110,
    "answers": "How does the noise fall, sampler by sampler?",
}

st.title("Noise schedules", anchor=False)
lead(
    "Every sampler's noise levels on one axis, by one definition of sigma, and what lint finds "
    "wrong with each."
)
noise_schedules("schedules")
