"""The Latents page as a whole: the source on the left, one section at a time on the right."""

import streamlit as st

from dashboard.shell.messages import explained
from dashboard.views.latents import contents, experiments, run_steps, vae, walk
from dashboard.widgets.latent_source import Source, choose_source, model_in_hand
from dashboard.widgets.section_choice import choose_section
from dashboard.worker.snapshots import ModelView

SECTIONS = {
    "What they hold": contents.show,
    "Through a run": run_steps.show,
    "VAE round trip": vae.show,
    "Experiments": experiments.show,
    "Between two": walk.show,
}


def latents_page(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    model = model_in_hand()
    left, right = st.columns([3, 8], gap="medium")
    with left, explained():
        source = choose_source(page, model)
    with right:
        chosen = choose_section(page, SECTIONS)
        if source is None:
            st.info("Choose a picture or a latents file on the left.", icon=":material/image:")
            return
        with explained():
            _draw(chosen, page, source, model)


def _draw(chosen: str, page: str, source: Source, model: ModelView) -> None:
    SECTIONS[chosen](page, source, model)
