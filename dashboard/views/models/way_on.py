"""What to do with the model in memory: the pages that use it."""

import streamlit as st

from dashboard.shell.model_choice import ask_for
from dashboard.shell.navigation import page_path
from dashboard.worker.snapshots import ModelRequest, ModelView
from sdlab.shipped import EMBEDDED, FLOW, SHIPPED

_PAGES = {
    "experiment": ("Experiment with this model", "science"),
    "compare": ("Compare samplers on it", "compare"),
    "noise_schedules": ("Its noise schedule", "show_chart"),
    "attention": ("Its attention", "visibility"),
}
_SHIPPED = {
    EMBEDDED: "To the embedded U-Net",
    FLOW: "To the embedded transformer",
}
_BOTH = (
    "Two models come with sdlab, and draw the same small world: **embedded**, a Stable Diffusion 1 "
    "whose U-Net predicts the noise and whose words reach the picture by cross-attention, and "
    "**embedded-flow**, a Stable Diffusion 3 whose transformer predicts the velocity of a flow and "
    "holds words and picture in one attention. What differs between their pictures is the "
    "architecture's and the training's doing, not the world's: Compare sets them side by side."
)


def way_on(model: ModelView) -> None:
    """Draw the ways on with a model, those that it allows, and the way back."""
    with st.container(horizontal=True, key="models_way_on"):
        for page, (label, icon) in _PAGES.items():
            if page != "attention" or not model.unread:
                st.page_link(page_path(page), label=label, icon=f":material/{icon}:")
        for name, label in _SHIPPED.items():
            if model.name != name:
                st.button(
                    label,
                    key=f"models.{name}",
                    icon=":material/deployed_code:",
                    on_click=_load,
                    args=(name,),
                )
    if model.name in SHIPPED:
        st.caption(_BOTH)


def _load(name: str) -> None:
    ask_for(ModelRequest(name))
