"""What the library needs to know of the model in memory to count and compare runs."""

from typing import Any

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.worker.snapshots import ModelView
from sdlab.comparing.model_facts import ModelFacts
from sdlab.errors import ModelError


def model_facts(model: ModelView) -> ModelFacts:
    """Return what a comparison needs to know of the model in memory.

    Raises:
        ModelError: If another model has been loaded in the meantime.
    """
    return ModelFacts(model.name, model.hash, _config(model.hash), model.pipeline)


def facts_in_memory() -> ModelFacts | None:
    """Return what is known of the model in memory; None while there is none."""
    model = lab().status().model
    try:
        return model_facts(model) if model else None
    except ModelError:
        return None


@st.cache_data(max_entries=8, show_spinner=False)
def _config(model_hash: str) -> dict[str, Any]:
    return lab().ask(lambda model: dict(model.scheduler_config), model_hash)
