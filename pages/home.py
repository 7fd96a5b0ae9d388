"""Home: what this is, a picture made just now and how, and where to go."""

import streamlit as st

from dashboard.views.home.page import home_page

MENU = {"section": "Pictures", "title": "Home", "icon": "home", "place": 10}

st.title("sdlab, the laboratory for diffusion models", anchor=False)
st.markdown(
    "Run a diffusion experiment and see, measure and export every step of it. It runs at once on "
    "a small embedded model of the true Stable Diffusion architecture, and with a GPU on what you "
    "load: Stable Diffusion, SDXL, SD3, Flux and nearly any other diffusers pipeline."
)
home_page()
