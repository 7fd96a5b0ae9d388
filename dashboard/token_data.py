"""What the Tokens page asks the model for, remembered by the weights' hash and the prompt.

The text encoder runs in the worker's thread, between two network calls of the runs in flight.
"""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.lab import lab
from dashboard.state import session_id
from dashboard.worker.views import ModelView

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.text.encoder import Encoding

LOADING_SECONDS = 180.0


def model_in_memory() -> ModelView | None:
    """Return the model in memory; waits for one that is being loaded.

    Raises:
        SdlabError: If there is none, or it does not come.
    """
    view = lab().status()
    if view.model is None:
        lab().ask(lambda model: None, session=session_id(), timeout=LOADING_SECONDS)
        view = lab().status()
    return view.model


@st.cache_data(max_entries=24, show_spinner=False)
def encoded(model_hash: str, prompt: str) -> "Encoding":
    """Return what the text encoder makes of a prompt, with its attention.

    All in one question, as each waits for the network call in progress; some megabytes at most.
    """
    from sdlab.text.encoder import encode

    return lab().ask(lambda model: encode(model, prompt, attention=True), model_hash, session_id())


@st.cache_data(max_entries=256, show_spinner=False)
def nearest_entries(model_hash: str, prompt: str, position: int, space: str) -> "pd.DataFrame":
    """Return the vocabulary entries nearest to a position's vector."""
    from sdlab.text.similar import nearest

    encoding = encoded(model_hash, prompt)
    return lab().ask(
        lambda model: nearest(model, encoding, position, space, 12), model_hash, session_id()
    )
