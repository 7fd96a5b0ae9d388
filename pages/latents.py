"""Latents: what the VAE encodes a picture to, how a run gets there, and what changes to it do."""

import streamlit as st

from dashboard.views.latents.page import latents_page

MENU = {
    "section": "Latent space",
    "title": "Latents",
    "icon": "layers",
    "place": 210,
    "answers": "What do the latents hold?",
}

st.title("Latents", anchor=False)
st.markdown(
    "A latent diffusion model does not paint pixels. It works on a small grid of numbers, the "
    "latents, which the VAE decodes. Look into them, follow them through a run, and change them."
)
latents_page("latents")
