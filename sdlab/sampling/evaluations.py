"""Which evaluations a run makes of its solver's course, known before it.

After a picture some of the first are left out. A pipeline's ``get_timesteps`` says which; each
family has its own, so the class's own is asked. With ``denoising_end`` some of the last are left
out, at whose noise levels a refiner goes on.
"""

import inspect
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from sdlab.experiment.experiment import Experiment
from sdlab.models.pipelines import call_parameters
from sdlab.noise.flow import path_of
from sdlab.sampling.experiment_course import experiment_course
from sdlab.sampling.pipeline_call import follows
from sdlab.solvers.course import Course
from sdlab.solvers.flow_catalogue import handed_by
from sdlab.solvers.pipeline_times import hands_sigmas
from sdlab.solvers.registry import solvers

CUTOFF = "discrete_timestep_cutoff"
"""What the classes that end at ``denoising_end`` call the last timestep that they make."""
SAME = 1e-4
"""Timesteps this near to each other are one, rounded otherwise."""


def expected_evaluations(
    experiment: Experiment, config: Mapping[str, Any], pipeline: type | None = None
) -> int:
    """Return the network evaluations of an experiment; a CFG pair counts as one.

    Args:
        experiment: What to draw.
        config: The model's scheduler config.
        pipeline: The class that draws it; None for plain Stable Diffusion.

    Raises:
        ValueError: If its solver cannot run so.
    """
    found = course_of(experiment, config, pipeline)
    return found.nfe if pipeline is None else len(evaluations_made(pipeline, experiment, found))


def course_of(
    experiment: Experiment, config: Mapping[str, Any], pipeline: type | None = None
) -> Course:
    """Return the course of an experiment's solver; the arguments are as above.

    Raises:
        ValueError: If its solver cannot run so.
    """
    x, handed = experiment, dict[str, Any]()
    if pipeline is not None and path_of(config) == "flow":
        handed = handed_by(pipeline, x.solver, x.num_steps, config, x.curve)
    return experiment_course(x, config, handed=handed)


def evaluations_made(
    cls: type, experiment: Experiment, found: Course | None, order: int = 1
) -> range:
    """Return which evaluations of a course a class makes, counted from 0.

    Args:
        cls: The pipeline's class.
        experiment: With strength and options; where it has none, the class's own defaults count.
        found: The course of its solver; None for one evaluation a step.
        order: Of the scheduler, where the course is not known.

    Raises:
        ValueError: If none is left.
    """
    x = experiment
    times = [float(n) for n in range(x.num_steps, 0, -1)] if found is None else found.timesteps
    first = len(times) - _after_picture(cls, x, found, times, order)
    if found is None or CUTOFF not in _names(cls):
        return range(first, len(times))
    end = dict(x.pipeline_options).get("denoising_end")
    if not isinstance(end, float) or not 0 < end < 1:  # what diffusers leaves unheeded
        return range(first, len(times))
    trained = found.schedule.num_timesteps
    least = round(trained - end * trained) - SAME
    count = sum(time >= least for time in times[first:])
    if not count:
        raise ValueError(
            f"denoising_end {end:g} leaves none of {x.num_steps} steps, whose first is at timestep"
            f" {times[first]:g} of {trained}; give more than {1 - times[first] / trained:.3g}."
        )
    return range(first, first + count)


def _after_picture(
    cls: type, x: Experiment, found: Course | None, times: Sequence[float], order: int
) -> int:
    """Return how many of the evaluations are left after a picture, as ``strength`` says.

    Raises:
        ValueError: If none is left.
    """
    taken = call_parameters(cls)
    if x.image is None or "strength" not in taken or not _leaves_some(cls):
        return len(times)
    own = solvers().get(x.solver)
    if own is not None:
        order = own.stages
    elif found is not None:
        order = int(found.scheduler.order)
    strength = taken["strength"].default if x.strength is None else x.strength
    counted = len(times) if _hands(cls, x, found) else x.num_steps
    start = dict(x.pipeline_options).get("denoising_start")

    def left(strength: float) -> int:
        return _left(cls, times, counted, strength, order, start)

    nfe = left(strength)
    if nfe < 1:
        enough = next((k / 1000 for k in range(1, 1001) if left(k / 1000) > 0), 1.0)
        steps = next((n for n in range(x.num_steps, 1001) if int(n * strength)), None)
        more = f" or {steps} steps" if steps and counted == x.num_steps else ""
        raise ValueError(
            f"{x.num_steps} steps at strength {strength:g} are 0 steps; give at least strength"
            f" {enough:g}{more}."
        )
    return nfe


def _leaves_some(cls: Any) -> bool:
    """Return whether a class's call asks its ``get_timesteps``: LCM's has one and does not."""
    return hasattr(cls, "get_timesteps") and "get_timesteps" in _names(cls)


def _names(cls: Any) -> set[str]:
    """Return the names that a class's call reads and sets."""
    code = getattr(inspect.unwrap(cls.__call__), "__code__", None)
    return {*code.co_names, *code.co_varnames, *code.co_cellvars} if code else set()


def _hands(cls: type, x: Experiment, found: Course | None) -> bool:
    """Return whether noise levels are handed over: then diffusers takes each for a step."""
    if found is None or found.schedule.path == "flow":
        return hands_sigmas(cls)
    return found.scheduler is not None and follows(type(found.scheduler), x)


def _left(
    cls: Any, times: Sequence[float], steps: int, strength: float, order: int, start: Any
) -> int:
    """Return how many timesteps a class's ``get_timesteps`` leaves of those laid out."""
    import torch

    laid_out = torch.tensor(times, dtype=torch.float64)
    config = SimpleNamespace(num_train_timesteps=1000)
    asking = SimpleNamespace(
        scheduler=SimpleNamespace(timesteps=laid_out, order=order, config=config)
    )
    given = {
        "num_inference_steps": steps,
        "strength": strength,
        "device": "cpu",
        "timesteps": laid_out,
        "sigmas": laid_out,
        "denoising_start": start,
    }
    taken = inspect.signature(cls.get_timesteps).parameters
    found = cls.get_timesteps(asking, **{n: v for n, v in given.items() if n in taken})
    return len(found[0])
