"""DDIM: noise injected or not, pictures back into noise, edits, and the equations that run."""

import streamlit as st

from dashboard.views.ddim.page import ddim_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Latent space",
    "title": "DDIM",
    "icon": "swap_horiz",
    "place": 220,
    "answers": "Can a picture go back to its noise?",
}

st.title("DDIM", anchor=False)
lead(
    "The start noise alone decides the picture, so DDIM also runs backwards; with eta, each step "
    "adds fresh noise."
)
ddim_page("ddim")
