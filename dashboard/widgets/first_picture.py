"""The experiments that the pages make by themselves: a picture to look at before one is asked."""

from sdlab.attention import views
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.shipped import EMBEDDED

CHOSEN = ("a parrot on a beach", 4)
"""Words and seed of the first picture: of 30 seeds of the embedded model, the best to the eye."""
EVERY = 4  # steps between those whose attention is kept: it costs time


def first_picture(words: str, seed: int, model: str = EMBEDDED) -> Experiment:
    """Return the experiment for some words; the embedded model's keeps a little attention."""
    attention = None
    if model == EMBEDDED:
        attention = AttentionRecord(layers=(views.best(model).layers or "all",), steps=EVERY)
    return Experiment(
        prompt=words,
        seed=seed,
        solver="dpmpp_2m",
        num_steps=20,
        model=model,
        record=Record(attention=attention),
    )
