"""What to do with the model in memory: the pages that use it."""

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.navigation import page_path
from dashboard.worker.snapshots import ModelRequest, ModelView
from sdlab.shipped import EMBEDDED

_PAGES = {
    "experiment": ("Experiment with this model", "science"),
    "compare": ("Compare samplers on it", "compare"),
    "noise_schedules": ("Its noise schedule", "show_chart"),
    "attention": ("Its attention", "visibility"),
}


def way_on(model: ModelView) -> None:
    """Draw the ways on with a model, those that it allows, and the way back."""
    with st.container(horizontal=True, key="models_way_on"):
        for page, (label, icon) in _PAGES.items():
            if page != "attention" or not model.unread:
                st.page_link(page_path(page), label=label, icon=f":material/{icon}:")
        if model.name != EMBEDDED:
            st.button(
                "Back to the embedded model",
                key="models.embedded",
                icon=":material/undo:",
                on_click=_load_embedded,
            )


def _load_embedded() -> None:
    lab().load(ModelRequest())
