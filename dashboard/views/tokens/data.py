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

    from sdlab.models.model import Model
    from sdlab.text.encoder import Encoding
    from sdlab.text.tokenized import Tokenized

LOADING_SECONDS = 180.0


@dataclass(frozen=True)
class Reader:
    """One tokenizer, with its text encoder, of the model in memory.

    Attributes:
        model: The hash of the model's weights.
        part: "text_encoder", "text_encoder_2", ...
        name: What the tokenizer is called: "CLIP", "T5", "Qwen2".
        readable: Whether the encoder's vectors can be read.
    """

    model: str
    part: str
    name: str = "CLIP"
    readable: bool = True


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
    """Return the tokenizers of the model in memory, in order; Stable Diffusion XL has two."""
    found = lab().ask(_tokenizers, model_hash, session_id())
    return tuple(Reader(model_hash, *one) for one in found)


def _tokenizers(model: "Model") -> list[tuple[str, str, bool]]:
    from sdlab.text.parts import text_parts, tokenizers

    found = tokenizers(model)
    encoders = {name: getattr(model.pipeline, name, None) for name in found}
    there = any(encoder is not None for encoder in encoders.values())
    parts = text_parts(model, every=True) if there else {}
    return [
        (
            name,
            type(tokenizer).__name__.removesuffix("Fast").removesuffix("Tokenizer"),
            name in parts and parts[name].is_readable,
        )
        for name, tokenizer in found.items()
    ]


@st.cache_data(max_entries=24, show_spinner=False)
def read(reader: Reader, prompt: str) -> "Tokenized":
    """Return a prompt as the text encoder is given it; its encoding, where that can be read."""
    if reader.readable:
        return encoded(reader, prompt)
    from sdlab.text.tokenized import tokenized

    return lab().ask(
        lambda model: tokenized(model, prompt, reader.part), reader.model, session_id()
    )


@st.cache_data(max_entries=24, show_spinner=False)
def encoded(reader: Reader, prompt: str) -> "Encoding":
    """Return the encoding of a prompt, with its attention.

    All in one question, because each waits for the current network call; some megabytes at most
    (T5's maps are 512 positions square, so that only the mean of its heads is kept).
    """
    from sdlab.text.encoder import encode
    from sdlab.text.self_attention import fitting

    def encoding(model: "Model") -> "Encoding":
        return encode(model, prompt, reader.part, attention=fitting(model, reader.part))

    return lab().ask(encoding, reader.model, session_id())


@st.cache_data(max_entries=24, show_spinner=False)
def network_segments(model_hash: str, prompt: str) -> "tuple[int, pd.DataFrame] | None":
    """Return how many positions the network's text has, and which are whose; None if not told."""
    from sdlab.text import tokenized

    return lab().ask(
        lambda model: tokenized.network_segments(model, prompt), model_hash, session_id()
    )


@st.cache_data(max_entries=256, show_spinner=False)
def nearest_entries(reader: Reader, prompt: str, position: int, space: str) -> "pd.DataFrame":
    """Return the vocabulary entries nearest to a position's vector."""
    from sdlab.text.similar import nearest

    encoding = encoded(reader, prompt)
    return lab().ask(
        lambda model: nearest(model, encoding, position, space, 12), reader.model, session_id()
    )
