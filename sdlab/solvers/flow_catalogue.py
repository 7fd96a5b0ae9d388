"""The catalogue for a flow-matching model: who can drive it, found out by letting each try.

A solver of ours runs over t (``flow``); one that cannot says why when its course is laid out. Which
of diffusers' classes can is measured by ``probe_flow``; whether one can with this very model's
config, by making it.
"""

import copy
from collections.abc import Callable, Mapping
from functools import cache
from inspect import signature
from typing import Any

import numpy as np

from sdlab.noise.curves import names as curve_names
from sdlab.noise.flow import is_flow
from sdlab.solvers.course import Course, course
from sdlab.solvers.flow_course import SD3_CONFIG, flow_curves, make_flow_scheduler, probe_flow
from sdlab.solvers.from_diffusers import takes_eta
from sdlab.solvers.pipeline_times import (
    handed_mu,
    handed_over,
    handed_times,
    handed_timesteps,
    hands_sigmas,
)
from sdlab.solvers.probing import quiet, scheduler_classes
from sdlab.solvers.registry import Solver, solvers

COUNTED = (10, 25, 50)
PREDICTIONS = ("flow_prediction",)
COORDINATES = "flow"
NO_TIMES = ("ays_sd15", "ays_sdxl")
"""Curves that are tables of sigmas above 1, which are no times."""


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


def handed_by(
    pipeline: type,
    solver: str,
    num_steps: int,
    config: Mapping[str, Any],
    curve: str | None = None,
    tokens: int | None = None,
) -> dict[str, Any]:
    """Return the ``handed`` of a course: what a pipeline will hand to a solver, as far as is known.

    Args:
        pipeline: The class that draws.
        solver: A solver's short name or a diffusers class.
        num_steps: Solver steps.
        config: The model's scheduler config.
        curve: How sigma falls; for a solver of sdlab's it takes the place of the pipeline's times.
        tokens: Latent tokens of the picture; those of 1024 x 1024 pixels if not given.

    Raises:
        ValueError: If the pipeline hands times over, and the class takes none.
    """
    scheduler = None if solver in solvers() else scheduler_classes().get(solver)
    handed: dict[str, Any] = {"mu": handed_mu(pipeline, num_steps, config, tokens)}
    handed["timesteps"] = handed_timesteps(pipeline, num_steps, config)
    if curve is not None and scheduler is None and handed["timesteps"] is None:
        return handed
    over = {"sigmas": hands_sigmas(pipeline), "timesteps": handed["timesteps"] is not None}
    for what in (name for name, hands in over.items() if hands):
        if scheduler is not None and not takes(scheduler, what):
            raise ValueError(
                f"{solver} cannot drive {pipeline.__name__}: the pipeline hands {what} over, which"
                " its set_timesteps does not take. Take a solver of sdlab's, such as euler."
            )
    return {**handed, "sigmas": handed_times(pipeline, num_steps, config, solver)}


def takes(scheduler: Any, what: str = "sigmas") -> bool:
    """Return whether a scheduler class takes times, or timesteps, from outside."""
    return what in signature(scheduler.set_timesteps).parameters


def not_laid_out(scheduler: Any, pipeline: type, num_steps: int) -> str:
    """Return why a scheduler cannot be given what a pipeline hands to it, or ''.

    Args:
        scheduler: Of the model's config.
        pipeline: A class.
        num_steps: Solver steps.
    """
    if hands_sigmas(pipeline) and not takes(type(scheduler)):
        return "the pipeline hands sigmas over, which its set_timesteps does not take"
    times = handed_times(pipeline, num_steps, scheduler.config)
    if times is None:
        return ""
    given: dict[str, Any] = {"sigmas": np.array(times)}
    if handed_over(pipeline, num_steps, scheduler.config)["mu"] is not None:
        given["mu"] = 0.5
    told = handed_timesteps(pipeline, num_steps, scheduler.config)
    if told is not None:
        given["timesteps"] = np.array(told)
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
