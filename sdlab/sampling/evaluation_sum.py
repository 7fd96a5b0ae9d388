"""Why a run takes so many evaluations: the sum over its steps, with the reason, in a sentence.

It is counted from the solver's course, so it is right of whatever solver there is.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from sdlab.experiment.experiment import Experiment
from sdlab.sampling.evaluations import course_of, evaluations_made


def evaluation_sum(
    experiment: Experiment, config: Mapping[str, Any], pipeline: type | None = None
) -> str:
    """Return why an experiment takes as many evaluations as it does, such as "19 x 2 + 1 = 39".

    Args:
        experiment: What to draw.
        config: The model's scheduler config.
        pipeline: The class that draws it; None for plain Stable Diffusion.

    Raises:
        ValueError: If its solver cannot run so.
    """
    found = course_of(experiment, config, pipeline)
    made = range(found.nfe)
    if pipeline is not None:
        made = evaluations_made(pipeline, experiment, found)
    counts = by_step([found.steps[place] for place in made])
    left_out = experiment.num_steps - len(counts)
    return told(experiment.solver, counts, left_out, found.end == 0)


def by_step(steps: Sequence[int]) -> list[int]:
    """Return the evaluations of each step that is made, of the step of each evaluation."""
    return list(Counter(steps).values())


def told(solver: str, counts: Sequence[int], left_out: int = 0, to_zero: bool = True) -> str:
    """Return the sum over steps, with its reason, as a sentence.

    Args:
        solver: Its name.
        counts: Evaluations of each step that is made, in order.
        left_out: Steps that are not made, as the run begins from a picture.
        to_zero: Whether the last step goes to sigma 0.
    """
    groups = [(count, len(list(same))) for count, same in groupby(counts)]
    terms = " + ".join(f"{steps} x {count}" for count, steps in groups)
    if len(groups) == 2 and groups[1][1] == 1:
        terms = f"{groups[0][1]} x {groups[0][0]} + {groups[1][0]}"
    elif len(groups) == 2 and groups[0][1] == 1:
        terms = f"{groups[0][0]} + {groups[1][1]} x {groups[1][0]}"
    if len(groups) == 1 and groups[0][0] == 1:
        said = f"{solver} asks the network once a step: {len(counts)}"
    else:
        said = f"{_reason(solver, groups, to_zero)}: {terms} = {sum(counts)}"
    if left_out > 0:
        said += f" ({left_out} of {left_out + len(counts)} steps are left out, to keep the picture)"
    return f"{said}."


def _reason(solver: str, groups: list[tuple[int, int]], to_zero: bool) -> str:
    (first, many), *rest = groups
    if not rest:
        return f"{solver} asks the network {_times(first)} in each step"
    (then, last), *more = rest
    if not more and first > then == 1 and last == 1:
        why = "which goes to sigma 0 and has nothing beyond to look at, " if to_zero else ""
        return (
            f"{solver} asks the network {_times(first)} a step, to correct it by what it finds on "
            f"the way; the last step, {why}takes one"
        )
    if not more and then == 1:
        which = "step, which has" if many == 1 else f"{many} steps, which have"
        return (
            f"{solver} extrapolates from earlier predictions, one evaluation a step; the first "
            f"{which} none yet, asks {_times(first)}"
            if many == 1
            else f"{solver} extrapolates from earlier predictions, one evaluation a step; the first"
            f" {which} none yet, ask {_times(first)} each"
        )
    return f"{solver} asks the network more often in some steps than in others"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
