"""The Tokens page: a word left out and the pads changed, with the picture beside it."""

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import explained
from dashboard.widgets.causes_panel import Variations, can_switch, causes_panel
from dashboard.widgets.typed import parse_seed
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dashboard.worker.snapshots import ModelView
    from sdlab.causes.change import Change
    from sdlab.models.model import Model
    from sdlab.text.tokenized import Tokenized

PROMISE = (
    "One picture five times: as it is, with the word removed from the prompt, with the word's "
    "positions masked, with the pads of the empty prompt, and with the pads masked."
)


def causes_section(encoding: "Tokenized", model: "ModelView") -> None:
    """Draw the choice of a word, and what leaving it out does."""
    from sdlab.attention.words import labelled

    with explained():
        words = [label for label, _ in labelled(encoding.tokens)]
        if not words:
            st.info("The prompt has no words that could be left out.")
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            word = bound().selectbox(
                "Leave out", words, _telling(words), key="tokens.left_out", width=180
            )
            steps = bound().number_input("Steps", 2, 200, 20, key="tokens.steps", width=110)
            cfg = bound().number_input("Guidance", 0.0, 20.0, 4.0, 0.5, key="tokens.cfg", width=130)
            seed = parse_seed(bound().text_input("Seed", "7", key="tokens.seed", width=130) or "")
        spec = Experiment(
            prompt=encoding.prompt, model=model.name, num_steps=int(steps), seed=seed,
            guidance_scale=float(cfg),
        )  # fmt: skip
        if not can_switch(spec, model=model):
            return
        place = words.index(word)
        asked = Variations(spec, (place,), partial(_changes, place=place), PROMISE, _so_what)
        causes_panel("tokens", "Draw it without", asked)


def _so_what(table: "pd.DataFrame") -> str:
    """Return in a sentence how much of a word is at its own position, and how much in the pads."""
    _, removed, masked, emptied, hidden = table["rms_latents"].tolist()
    return (
        f"without the word the latents end {removed:.2g} away, with its positions masked "
        f"{masked:.2g}: what later positions read of it in the text encoder still acts. The pads "
        f"have read all words; emptied they move the picture by {emptied:.2g}, masked by "
        f"{hidden:.2g}."
    )


def _telling(words: list[str]) -> int:
    """Return which word to begin with: the first that is longer than an article."""
    return next((i for i, word in enumerate(words) if len(word) > 2), 0)


def _changes(model: "Model", spec: Experiment, place: int) -> "Sequence[Change]":
    """Return the four changes; ``place`` is the number of the word in the prompt."""
    from sdlab.attention.words import spans
    from sdlab.causes.change import pads, word_left_out
    from sdlab.text.tokens import tokens

    found = spans(tokens(model, spec.prompt))
    word = found[place][0]
    before = sum(other == word for other, _ in found[:place])
    return [
        *(
            word_left_out(model, spec, word, occurrence=before, how=how)
            for how in ("removed", "masked")
        ),
        *(pads(model, spec, how) for how in ("empty", "masked")),
    ]
