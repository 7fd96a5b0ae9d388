"""What the Tokens page gets from the model, cached by weights, encoder and prompt.

The text encoder runs in the worker's thread, between two network calls of the runs in flight.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.state import session_id
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.text.encoder import Encoding

LOADING_SECONDS = 180.0


@dataclass(frozen=True)
class Reader:
    """One text encoder, with its tokenizer, of the model in memory.

    Attributes:
        model: The hash of the model's weights.
        part: "text_encoder", or "text_encoder_2" where there are two.
    """

    model: str
    part: str


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


@st.cache_data(max_entries=8, show_spinner=False)
def readers(model_hash: str) -> tuple[Reader, ...]:
    """Return the text encoders of the model in memory, in order; Stable Diffusion XL has two."""
    from sdlab.text.parts import text_parts

    names = lab().ask(lambda model: tuple(text_parts(model)), model_hash, session_id())
    return tuple(Reader(model_hash, name) for name in names)


@st.cache_data(max_entries=24, show_spinner=False)
def encoded(reader: Reader, prompt: str) -> "Encoding":
    """Return the encoding of a prompt, with its attention.

    All in one question, because each waits for the current network call; some megabytes at most.
    """
    from sdlab.text.encoder import encode

    return lab().ask(
        lambda model: encode(model, prompt, reader.part, attention=True), reader.model, session_id()
    )


@st.cache_data(max_entries=256, show_spinner=False)
def nearest_entries(reader: Reader, prompt: str, position: int, space: str) -> "pd.DataFrame":
    """Return the vocabulary entries nearest to a position's vector."""
    from sdlab.text.similar import nearest

    encoding = encoded(reader, prompt)
    return lab().ask(
        lambda model: nearest(model, encoding, position, space, 12), reader.model, session_id()
    )
