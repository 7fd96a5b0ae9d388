"""The Tokens page: a word left out and the pads changed, with the picture beside it."""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import explained
from dashboard.widgets.causes_panel import Variations, can_switch, causes_panel
from dashboard.widgets.every_word_panel import every_word_panel
from dashboard.widgets.typed import parse_seed
from sdlab.errors import ModelError
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
PROMISE_OTHER = (
    "One picture as it is, with the word removed from the prompt and, where this model tells which "
    "positions of its network's text are whose, with the word's positions masked and with the pads "
    "masked."
)


def causes_section(encoding: "Tokenized", part: str, model: "ModelView") -> None:
    """Draw the choice of a word, and what leaving it out does.

    Args:
        encoding: The prompt as one of the model's tokenizers reads it.
        part: The name of that one's text encoder.
        model: The model in memory.
    """
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
        if not can_switch(spec, model=model, plain_only=False):
            return
        place = words.index(word)
        promise = PROMISE if model.plain else PROMISE_OTHER
        make = partial(_changes, place=place, part=part)
        asked = Variations(spec, (place, part), make, promise, so_what)
        causes_panel("tokens", "Draw it without", asked)
        every_word_panel("tokens", spec)


def so_what(table: "pd.DataFrame") -> str:
    """Return in a sentence how much of a word is at its own position, and how much in the pads."""
    moved = table.iloc[1:].set_index("change")["rms_latents"]
    masked, pads = moved.filter(regex="” masked$"), moved.filter(regex="^pads")
    said = f"without the word the latents end {moved.iloc[0]:.2g} away"
    if len(masked):
        said += (
            f", with its positions masked {masked.iloc[0]:.2g}: what later positions read of it in "
            "the text encoder still acts"
        )
    ways = " and ".join(f"{value:.2g} with {name}" for name, value in pads.items())
    return f"{said}." + (f" The pads have read all words: it is {ways}." if ways else "")


def _telling(words: list[str]) -> int:
    """Return which word to begin with: the first that is longer than an article."""
    return next((i for i, word in enumerate(words) if len(word) > 2), 0)


def _changes(model: "Model", spec: Experiment, place: int, part: str) -> "Sequence[Change]":
    """Return the changes that the network can be asked for, the word removed first.

    Args:
        model: The model.
        spec: The run.
        place: The number of the word in the prompt.
        part: Whose tokenizer counted it.
    """
    from sdlab.attention.words import spans
    from sdlab.causes.change import pads, word_left_out
    from sdlab.text.tokens import tokens

    found = spans(tokens(model, spec.prompt, part))
    word = found[place][0]
    before = sum(other == word for other, _ in found[:place])
    left_out = partial(word_left_out, model, spec, word, occurrence=before)
    made = [left_out(how="removed")]
    for make in (
        partial(left_out, how="masked"),
        *(partial(pads, model, spec, how) for how in ("empty", "masked")),
    ):
        with suppress(ModelError, ValueError):  # not of this network, or there are no pads
            change = make()
            for switch in change.switches:
                switch.check(model)
            made.append(change)
    return made
