"""Noised images: one picture at every noise level that a sampler visits, two schedules compared."""

import streamlit as st

from dashboard.views.noised_images.page import noised_images
from dashboard.widgets.lead import lead

MENU = {
    "section": "Noise",
    "title": "Noised images",
    "icon": "blur_on",
    "place": 120,
    "answers": "What does each noise level leave of a picture?",
}

st.title("Noised images", anchor=False)
lead(
    "One picture at all the noise levels that a sampler visits, for two schedules side by side at "
    "the same step."
)
noised_images("noised")
