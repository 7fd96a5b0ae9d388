"""The catalogue for a flow-matching model: who can drive it, found out by letting each try.

A solver of ours runs over t (``flow``); one that cannot says why when its course is laid out. Which
of diffusers' classes can is measured by ``probe_flow``; whether one can with this very model's
config, by making it.
"""

import copy
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from inspect import getsource, signature
from typing import Any

import numpy as np

from sdlab.noise.curves import names as curve_names
from sdlab.noise.flow import is_flow
from sdlab.solvers.course import Course, course
from sdlab.solvers.flow_course import SD3_CONFIG, flow_curves, make_flow_scheduler, probe_flow
from sdlab.solvers.from_diffusers import takes_eta
from sdlab.solvers.probing import quiet, scheduler_classes
from sdlab.solvers.registry import Solver, solvers

COUNTED = (10, 25, 50)
PREDICTIONS = ("flow_prediction",)
COORDINATES = "flow"
NO_TIMES = ("ays_sd15", "ays_sdxl")
"""Curves that are tables of sigmas above 1, which are no times."""

_LINEAR_QUADRATIC = re.compile(
    r"threshold_noise = ([\d.]+)\s+sigmas = linear_quadratic_schedule\(num_inference_steps, thr"
)


def flow_rows(
    config: Mapping[str, Any],
    blank: Callable[[str, str, str], dict[str, Any]],
    counts: Callable[[Mapping[int, int]], dict[str, Any]],
    pipeline: type | None = None,
) -> list[dict[str, Any]]:
    """Return the rows of ``schedulers`` for a flow-matching config.

    Args:
        config: The model's ``scheduler.config``.
        blank: (name, origin, reason) -> a row of something that cannot be used.
        counts: Evaluations by number of steps -> the columns ``nfe``, ``nfe_10`` and ``nfe_50``.
        pipeline: The model's class, which may hand times of its own to ``set_timesteps``.

    Raises:
        ValueError: If the config is not one of flow matching.
    """
    if not is_flow(config):
        raise ValueError("a flow-matching config is wanted, such as Stable Diffusion 3's.")
    rows, hands = [], pipeline is not None and hands_sigmas(pipeline)
    for name, found in sorted(solvers().items()):
        row = blank(name, "sdlab", _refusal(name, config))
        rows.append(row | _of_solver(found, counts))
    for name, cls in sorted(scheduler_classes().items()):
        reason = probe_flow(name).reason or _refusal(name, config)
        if not reason and hands and pipeline is not None:
            with quiet():
                made = make_flow_scheduler(name, COUNTED[0], config, {})
                reason = not_laid_out(made, pipeline, COUNTED[0])
        row = blank(name, "diffusers", reason)
        row |= {"stages": getattr(cls, "order", None)}
        rows.append(row if probe_flow(name).reason else row | _of_class(name, cls, counts))
    return [row | {"compatible": not row["reason"]} for row in rows]


@cache
def hands_sigmas(pipeline: type) -> bool:
    """Return whether a pipeline's call makes the times itself, by its source."""
    lines = getsource(pipeline.__call__).splitlines()
    code = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    if _LINEAR_QUADRATIC.search(code):
        return True
    return re.search(r"\bsigmas = .*linspace\(", code) is not None and "sigmas=sigmas" in code


def handed_times(pipeline: type, num_steps: int) -> list[float] | None:
    """Return the times before the shift that a pipeline hands to its scheduler, by its source.

    None where it hands none, or others than those evenly from 1 to 1 / N or to 0, and Mochi's:
    half of the steps over the first ``threshold_noise``, the others over a parabola.
    """
    if not hands_sigmas(pipeline):
        return None
    code = getsource(pipeline.__call__)
    if re.search(r"linspace\(1\.0, 1(\.0)? / num_inference_steps, num_inference_steps\)", code):
        return [float(t) for t in np.linspace(1.0, 1.0 / num_steps, num_steps)]
    if re.search(r"linspace\(1\.0, 0(\.0)?, num_inference_steps \+ 1\)\[:-1\]", code):
        return [float(t) for t in np.linspace(1.0, 0.0, num_steps + 1)[:-1]]
    if (found := _LINEAR_QUADRATIC.search(code)) and num_steps > 1:  # it fails on 1 itself
        laid_out = sys.modules[pipeline.__module__].linear_quadratic_schedule
        return [float(t) for t in laid_out(num_steps, float(found[1]))]
    return None


def times_for(
    solver: str, num_steps: int, pipeline: type, curve: str | None = None
) -> list[float] | None:
    """Return the times that a pipeline will hand to a solver, as far as they are known.

    Args:
        solver: A solver's short name or a diffusers class.
        num_steps: Solver steps.
        pipeline: The class that draws.
        curve: How sigma falls; a curve takes the place of the pipeline's times.

    Raises:
        ValueError: If the pipeline hands times over, and the class takes none.
    """
    if curve is not None:
        return None
    scheduler = None if solver in solvers() else scheduler_classes().get(solver)
    if scheduler is not None and hands_sigmas(pipeline) and not takes_times(scheduler):
        raise ValueError(
            f"{solver} cannot drive {pipeline.__name__}: the pipeline hands sigmas over, which its"
            " set_timesteps does not take. Take a solver of sdlab's, such as euler."
        )
    return handed_times(pipeline, num_steps)


def takes_times(scheduler: Any) -> bool:
    """Return whether a scheduler class takes times from outside."""
    return "sigmas" in signature(scheduler.set_timesteps).parameters


def not_laid_out(scheduler: Any, pipeline: type, num_steps: int) -> str:
    """Return why a scheduler cannot be given what a pipeline hands to it, or ''.

    Args:
        scheduler: Of the model's config.
        pipeline: A class.
        num_steps: Solver steps.
    """
    times = handed_times(pipeline, num_steps)
    if hands_sigmas(pipeline) and not takes_times(type(scheduler)):
        return "the pipeline hands sigmas over, which its set_timesteps does not take"
    if times is None:
        return ""
    given: dict[str, Any] = {"sigmas": np.array(times)}
    if "mu=mu" in getsource(pipeline.__call__):
        given["mu"] = 0.5
    try:
        copy.deepcopy(scheduler).set_timesteps(device="cpu", **given)
    except Exception as error:  # whatever a foreign class makes of it is the reason
        said = str(error).strip() or type(error).__name__
        return f"its set_timesteps fails on what the pipeline hands over ({said:.120})"
    return ""


def _refusal(name: str, config: Mapping[str, Any]) -> str:
    """Return why a solver or class cannot be used with a config, or ''."""
    try:
        course(name, COUNTED[0], config=config)
    except ValueError as error:
        return str(error)
    return ""


def _of_solver(
    found: Solver, counts: Callable[[Mapping[int, int]], dict[str, Any]]
) -> dict[str, Any]:
    return {
        "order": found.order,
        "stages": found.stages,
        **counts(_evaluations(found.name, found)),
        "deterministic": found.deterministic,
        "takes_eta": "eta" in found.options,
        "eta": found.options.get("eta"),
        "coordinates": COORDINATES,
        "initial_scale": 1.0,
        "curves": tuple(name for name in curve_names() if name not in NO_TIMES),
        "custom_sigmas": True,
        "predictions": PREDICTIONS,
    }


def _of_class(
    name: str, cls: type, counts: Callable[[Mapping[int, int]], dict[str, Any]]
) -> dict[str, Any]:
    eta = takes_eta(cls)
    return {
        **counts(_evaluations(name, None)),
        "deterministic": probe_flow(name).deterministic,
        "takes_eta": eta,
        "eta": 0.0 if eta else None,
        "coordinates": COORDINATES,
        "initial_scale": 1.0,
        "curves": tuple(flow_curves(cls)),
        "predictions": PREDICTIONS,
    }


@cache
def _evaluations(name: str, found: Solver | None) -> dict[int, int]:
    """Return the evaluations by number of steps, which no config changes.

    Args:
        name: A solver's short name or a class.
        found: The solver registered under the name, so that a new one is counted anew.
    """
    if found is None:
        with quiet():
            made = {n: make_flow_scheduler(name, n, SD3_CONFIG, {}) for n in COUNTED}
        return {n: len(scheduler.timesteps) for n, scheduler in made.items()}
    try:
        courses: dict[int, Course] = {n: course(name, n, config=SD3_CONFIG) for n in COUNTED}
    except ValueError:
        return {}
    return {n: laid_out.nfe for n, laid_out in courses.items()}
