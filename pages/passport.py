"""Schedule passport: which sigmas a program really runs, engine beside engine."""

import streamlit as st

from dashboard.views.passport.page import passport_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Noise",
    "title": "Schedule passport",
    "icon": "badge",
    "place": 115,
    "answers": "Which noise levels does my program really run?",
}

st.title("Schedule passport", anchor=False)
lead(
    "The same words mean other noise levels in another program: what ComfyUI, AUTOMATIC1111, "
    "Forge, InvokeAI, k-diffusion and diffusers run, side by side."
)
passport_page("passport")
