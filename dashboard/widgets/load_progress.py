"""The loading of a model on a page: which stage, how many bytes, a button to leave it."""

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.model_choice import in_words
from dashboard.worker.snapshots import LabView
from sdlab.models.memory import readable
from sdlab.shipped import EMBEDDED

_STAGES = {
    "releasing": "making room",
    "checking": "reading its index",
    "downloading": "downloading what is not here yet",
    "reading": "reading",
    "moving": "moving it to",
    "measuring": "timing its decoder",
}
_ORDER = list(_STAGES)


def load_progress(page: str, view: LabView) -> None:
    """Draw how far a model's loading is, and the button that cancels it.

    Args:
        page: For the widget keys: the page's name.
        view: The laboratory, in which one is being loaded or waits to be.
    """
    with st.container(horizontal=True, vertical_alignment="center", key=f"{page}_loading"):
        st.progress(_share(view), text=loading_words(view))
        if view.may_cancel_load and view.loading != EMBEDDED:  # what there is without any other
            st.button(
                "Cancel",
                key=f"{page}.cancel_load",
                icon=":material/stop_circle:",
                help="At the next part of the model; the model before is then in use again.",
                on_click=lab().models.cancel_load,
            )


def loading_words(view: LabView) -> str:
    """Return in a line which model is being loaded and where that is."""
    stage, name = view.stage, in_words(view.loading)
    if stage is None:
        return f"{name} waits: it is loaded after what runs" if view.running else f"Loading {name}"
    parts = [_STAGES[stage.name], stage.what]
    if stage.total:
        parts.append(f"· {readable(stage.done)} of {readable(stage.total)} of weights")
    return f"Loading {name}: {' '.join(filter(None, parts))}"


def _share(view: LabView) -> float:
    """Return how much is done, of the stages and, of the one that reads, of its bytes."""
    if view.stage is None:
        return 0.0
    read = view.stage.done / view.stage.total if view.stage.total else 0.0
    return min(1.0, (_ORDER.index(view.stage.name) + read) / len(_ORDER))
