"""How long a run that waits will take until it is done, where people share the machine evenly.

While somebody's work is under way, each of the others gets work of the same cost, or what they have
left, if that is less. So work w of cost c is done once w + sum(min(c, w_k)) has been, k over the
others (processor sharing, Kleinrock 1967). The first seconds cost less (``turns``): of others those
are taken for past them who have more than that left.
"""

import math
from collections.abc import Iterable, Mapping

from dashboard.worker.run_task import RunTask
from dashboard.worker.task import Task
from dashboard.worker.turns import SHORT_COSTS, SHORT_SECONDS, cost_of
from sdlab.experiment.experiment import Experiment

USUAL = (512, 512)


def size_of_run(experiment: Experiment, usual: tuple[int, int] | None) -> int:
    """Return the pixels of a run's picture.

    Args:
        experiment: The run.
        usual: (width, height) of its model where it names none; None if that is not known.
    """
    width, height = usual or USUAL
    return (experiment.width or width) * (experiment.height or height)


def work_left(run: RunTask, usual: tuple[int, int] | None) -> float:
    """Return what a run still has to do, in pixels times evaluations.

    Of one that has not begun as many evaluations as steps are assumed.
    """
    job = run.job
    evaluations = run.experiment.num_steps if job is None else job.nfe - job.evaluation
    return float(evaluations * size_of_run(run.experiment, usual))


def work_of_people(
    runs: Mapping[RunTask, float], studies: Iterable[Task], but: str
) -> dict[str, float]:
    """Return how much work each person has but one; of a study no end is known.

    Args:
        runs: All runs that wait or are under way, and what they have left.
        studies: Long computations that are no runs.
        but: The person that is left out.
    """
    work: dict[str, float] = {}
    for run, left in runs.items():
        work[run.person] = work.get(run.person, 0.0) + left
    work |= {study.person: math.inf for study in studies}
    work.pop(but, None)
    return work


def seconds_until_done(own: float, others: Iterable[float], speed: float) -> float:
    """Return how long somebody's work takes beside that of others.

    Args:
        own: The work, in pixels times evaluations.
        others: What each of the others has.
        speed: Seconds of one pixel and evaluation.
    """
    seconds, cost = speed * own, cost_of(speed * own)
    for other in others:
        left = speed * other
        seconds += min(left, cost / SHORT_COSTS if left <= SHORT_SECONDS else cost)
    return seconds
