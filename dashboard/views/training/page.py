"""The Training page as a whole: the picture on the left, one section at a time on the right."""

import streamlit as st

from dashboard.shell.messages import explained
from dashboard.views.training import four, one_timestep, over_time, step
from dashboard.views.training.form import asked, picture
from dashboard.widgets.latent_source import model_in_hand
from dashboard.widgets.section_choice import choose_section

SECTIONS = {
    "One timestep": one_timestep.show,
    "Loss over t": over_time.show,
    "The step back": step.show,
    "eps, x0, v, velocity": four.show,
}


def training_page(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    model = model_in_hand()
    left, right = st.columns([3, 8], gap="medium")
    with left, explained():
        chosen = picture(page, model)
    with right:
        section = choose_section(page, SECTIONS)
        if chosen is None:
            st.info("Choose a picture or a latents file on the left.", icon=":material/image:")
            return
        with explained():
            SECTIONS[section](page, asked(page, model, *chosen), model)
