"""Which runs are made together: those whose network calls can be joined, of equal length.

Runs of one batch share calls of the network, so the last bits of a picture depend on what else is
in its batch. Batches are therefore cut from the missing runs in one fixed order, and a batch that
was broken off is made again as it was.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from sdlab.sampling.plan import Plan, plan

Refused = Callable[[Experiment, Exception], None]


class Planned(NamedTuple):
    """An experiment and what it will do.

    Attributes:
        experiment: Which.
        plan: Its plan, or that of one that differs in words and seed only.
    """

    experiment: Experiment
    plan: Plan

    @property
    def kind(self) -> tuple[Any, ...]:
        """What runs of one batch have in common."""
        return self.plan.shape, self.experiment.fast, self.plan.guided, self.plan.nfe


def planned(model: Model, experiments: Iterable[Experiment], refused: Refused) -> list[Planned]:
    """Return the experiments with their plans, those that go together side by side.

    Args:
        model: The loaded model.
        experiments: Each once.
        refused: Called with an experiment that this model cannot run, and why.
    """
    plans: dict[Experiment, Plan] = {}
    found = []
    for experiment in experiments:
        alike = experiment.with_(prompt="", negative_prompt="", seed=0)
        try:
            if alike not in plans:
                plans[alike] = plan(model, experiment)
        except Exception as error:
            refused(experiment, error)
        else:
            found.append(Planned(experiment, plans[alike]))
    return sorted(found, key=lambda one: one.kind)


def batches(runs: Sequence[Planned], mix: bool, samples: int) -> Iterator[list[Planned]]:
    """Yield the runs that are made together: as many as fill a call if they are guided.

    Args:
        runs: In the order of ``planned``.
        mix: Whether they share calls; else each is a batch.
        samples: Most samples in a call.
    """
    size = max(1, samples // 2) if mix else 1
    for _, alike in groupby(runs, key=lambda one: one.kind):
        group = list(alike)
        for first in range(0, len(group), size):
            yield group[first : first + size]
