"""Latents: what the VAE encodes a picture to, how a run gets there, and what changes to it do."""

import streamlit as st

from dashboard.views.latents.page import latents_page
from dashboard.widgets.lead import lead

MENU = {
    "section": "Latent space",
    "title": "Latents",
    "icon": "layers",
    "place": 210,
    "answers": "What do the latents hold?",
}

st.title("Latents", anchor=False)
lead(
    "The small grid of numbers that the network works on, and the VAE decodes: look into it, "
    "follow it through a run, and change it."
)
latents_page("latents")
