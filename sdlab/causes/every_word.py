"""Every word of a prompt left out in turn: which of them make the picture what it is.

Each run starts from the same noise as the plain one and differs from it by one word, removed from
the prompt. No switch is needed for that, so all of them share the network's calls.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from sdlab.attention.words import labelled, spans
from sdlab.causes.change import word_left_out
from sdlab.causes.counterfactuals import Counterfactuals, counterfactuals
from sdlab.experiment.experiment import Experiment
from sdlab.text.spelling import spelled
from sdlab.text.tokens import tokens
from sdlab.work import Work

if TYPE_CHECKING:
    from PIL import Image

    from sdlab.models.model import Model


@dataclass(frozen=True, eq=False)
class EveryWord:
    """A run beside the same without each of its words.

    Attributes:
        words: In the order of the prompt; the second of two equal ones is "cat (2)".
        runs: The plain run, and one without each word.
    """

    words: tuple[str, ...]
    runs: Counterfactuals

    @property
    def pictures(self) -> "dict[str, Image.Image]":
        """The picture without each word."""
        outcomes = zip(self.words, self.runs.changed, strict=True)
        return {word: outcome.image for word, outcome in outcomes}

    def table(self) -> pd.DataFrame:
        """Return what each word does, that of which the picture changes most first.

        Returns:
            Columns ``word``, ``rms_x0_pred`` (of all evaluations' predictions), ``rms_latents``,
            ``rms_pixels`` (0 ... 255), ``score`` (the share of the prompt's statements that the
            picture without the word fulfils; NaN where nobody knows) and ``lost`` (those that the
            plain picture fulfils and this does not).
        """
        plain = self.runs.plain.x0_pred.double()
        gaps = [outcome.x0_pred.double() - plain for outcome in self.runs.changed]
        moved = [float(gap.square().mean().sqrt()) for gap in gaps]
        table = self.runs.table().iloc[1:].assign(word=self.words, rms_x0_pred=moved)
        names = ["word", "rms_x0_pred", "rms_latents", "rms_pixels", "score", "lost"]
        return table[names].sort_values("rms_pixels", ascending=False, ignore_index=True)


def every_word(model: "Model", experiment: Experiment) -> Work[EveryWord]:
    """Draw a picture plainly and without each word in turn; yields after every network call.

    Args:
        model: The loaded model.
        experiment: The plain run; what it records does not matter.

    Raises:
        ValueError: If the prompt has no words, or the experiment does not fit the model.
        ModelError: If the pipeline's predictions cannot be read.
        SdlabError: If memory runs out.
    """
    table = tokens(model, experiment.prompt)
    words = [label for label, _ in labelled(table)]
    if not words:
        raise ValueError("prompt must have words that can be left out in turn, got none.")
    changes, seen = [], Counter[str]()
    for label, (word, _) in zip(words, spans(table), strict=True):
        change = word_left_out(model, experiment, word, occurrence=seen[spelled(word)])
        changes.append(replace(change, name=f"without “{label}”"))
        seen[spelled(word)] += 1
    found = yield from counterfactuals(model, experiment, changes, together=True)
    return EveryWord(tuple(words), found)
