"""The DDIM page as a whole: one section at a time."""

import streamlit as st

from dashboard.shell.messages import explained
from dashboard.views.ddim import edit, equations, eta, there_and_back, walk
from dashboard.widgets.latent_source import model_in_hand
from dashboard.widgets.section_choice import choose_section

SECTIONS = {
    "Eta": eta.show,
    "There and back": there_and_back.show,
    "Edit": edit.show,
    "Between two noises": walk.show,
    "Equations": equations.show,
}


def ddim_page(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    model = model_in_hand()
    chosen = choose_section(page, SECTIONS)
    with st.container(key=f"{page}_form"), explained():
        SECTIONS[chosen](page, model)
