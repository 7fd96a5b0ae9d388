"""The Training page's computations with the model: those of ``sdlab.objective``, and pictures."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.state import session_id
from dashboard.views.training.form import Asked
from dashboard.widgets.pictures import png
from dashboard.widgets.study_panel import study_panel
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from dashboard.widgets.latent_source import Latents
    from sdlab.models.model import Model
    from sdlab.objective.looking import Look
    from sdlab.work import Work

SIDE = 256


@dataclass(frozen=True, eq=False)
class Seen:
    """A look at one timestep, with pictures as PNG.

    Attributes:
        look: The numbers.
        x_t: The noised latents as a picture.
        x0_pred: The network's guess of the picture, by conditioning.
    """

    look: "Look"
    x_t: bytes
    x0_pred: dict[str, bytes]


def look_at(page: str, asked: Asked, model: ModelView) -> Seen | None:
    """Return the look; None while it is not there, after drawing how far it is.

    A small model is asked at once, a large one when a button is pressed.
    """
    given = (asked.latents, asked.level.timestep, asked.prompt, asked.seed)
    if model.decodes_fast:
        with st.empty(), st.spinner("Asking the network …"):  # above the old numbers, not over them
            return _at_once(model.hash, *given)
    about = (*asked.about, asked.level.timestep)
    return study_panel(f"{page}.look", "Ask the network", about, partial(_seen, False, *given))


@st.cache_data(max_entries=32, show_spinner=False)
def _at_once(model_hash: str, latents: "Latents", timestep: int, prompt: str, seed: int) -> Seen:
    from sdlab.work import finish

    def ask(model: "Model") -> Seen:
        return finish(_seen(True, latents, timestep, prompt, seed, model))

    return lab().ask(ask, model_hash, session_id())


def _seen(
    decodes: bool, latents: "Latents", timestep: int, prompt: str, seed: int, model: "Model"
) -> "Work[Seen]":
    import torch

    from sdlab.objective.looking import looking

    draw: Any = model.decode if decodes else model.preview
    look = yield from looking(model, torch.from_numpy(latents), timestep, prompt, seed)
    guesses = {name: _png(draw, answer.x0_pred) for name, answer in look.answers.items()}
    return Seen(look, _png(draw, look.x_t), guesses)


def _png(draw: Any, latents: "Tensor") -> bytes:
    return png(draw(latents), SIDE)


def curve(
    latents: "Latents", timesteps: list[int], prompt: str, noises: int, seed: int, model: "Model"
) -> "Work[pd.DataFrame]":
    """Return the loss over the timesteps; see ``sdlab.objective.loss_curve``."""
    import torch

    from sdlab.objective.loss_curve import loss_curve

    x0 = torch.from_numpy(latents)
    return loss_curve(model, x0, timesteps, prompt, noises, seed)
