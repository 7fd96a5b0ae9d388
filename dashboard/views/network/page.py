"""The page Inside the network as a whole: one section at a time."""

import streamlit as st

from dashboard.shell.messages import explained
from dashboard.views.network import activations, blocks, switches, time, vae
from dashboard.widgets.latent_source import model_in_hand
from dashboard.widgets.section_choice import choose_section

SECTIONS = {
    "Map": blocks.show,
    "Time": time.show,
    "Activations": activations.show,
    "VAE": vae.show,
    "Switches": switches.show,
}


def network_page(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    model = model_in_hand()
    chosen = choose_section(page, SECTIONS)
    with st.container(key=f"{page}_{chosen.lower()}"), explained():
        SECTIONS[chosen](page, model)
