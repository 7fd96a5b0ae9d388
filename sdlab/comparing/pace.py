"""How long an evaluation takes, tried out before a comparison is made."""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from sdlab.sampling.engine import Engine

if TYPE_CHECKING:
    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model

TOGETHER = 8
"""Runs that are tried at once: on a CPU a call takes no more of them."""


def evaluation_seconds(model: "Model", experiments: "Sequence[Experiment]") -> float:
    """Return what an evaluation of one run takes while several run together, in seconds.

    Two network calls are made, of which the second is timed: the first sets up. Nothing is kept.

    Args:
        model: The loaded model.
        experiments: Runs such as will be made, at least one; the first few are tried.

    Raises:
        ValueError: If one is not valid for this model.
        MemoryLimitError: If one cannot fit into memory.
    """
    engine = Engine(model, mix=True)
    jobs = [engine.submit(experiment) for experiment in experiments[:TOGETHER]]
    try:
        engine.round()
        before, started = sum(job.evaluation for job in jobs), perf_counter()
        engine.round()
        seconds = perf_counter() - started
        return seconds / max(1, sum(job.evaluation for job in jobs) - before)
    finally:
        for job in jobs:
            job.stop()
