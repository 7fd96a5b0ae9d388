"""DDIM: noise injected or not, pictures back into noise, edits, and the equations that run."""

import streamlit as st

from dashboard.views.ddim.page import ddim_page

MENU = {"section": "Latents", "title": "DDIM", "icon": "swap_horiz", "place": 220}

st.title("DDIM", anchor=False)
st.markdown(
    "DDIM makes a picture a function of its start noise. So the way can be walked backwards, from "
    "a picture to the noise that gives it; and with eta, noise can be let back in."
)
ddim_page("ddim")
