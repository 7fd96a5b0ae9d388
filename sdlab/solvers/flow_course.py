"""The course of a solver or scheduler over flow matching's times; see ``course``.

Which of diffusers' schedulers can sample there is found out by letting each try, as for Stable
Diffusion in ``probing``: one that has the option ``use_flow_sigmas`` is given it, as its users do.
"""

import copy
import inspect
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab import bounds
from sdlab.denoisers.network import at_least_float32
from sdlab.errors import unknown
from sdlab.models.scheduler_config import parameters
from sdlab.noise.exchange import FLAGS
from sdlab.noise.flow import check_flow_config, dynamic_mu, flow_shift, time_to_sigma
from sdlab.noise.schedule import NoiseSchedule
from sdlab.sampler_names import unknown_solver
from sdlab.solvers.as_flow import FlowSolverScheduler
from sdlab.solvers.course import Course
from sdlab.solvers.driving import evaluation_steps, failure, words
from sdlab.solvers.flow import flow_form
from sdlab.solvers.from_diffusers import check_options, refusing, takes_eta
from sdlab.solvers.probing import (
    Probed,
    gaussian_answer,
    is_right,
    quiet,
    scheduler_classes,
)
from sdlab.solvers.protocol import Process, Query
from sdlab.solvers.randomness import Noise
from sdlab.solvers.registry import Solver, solvers
from sdlab.work import drive

if TYPE_CHECKING:
    import torch
    from torch import Tensor

TOKENS = 4096
"""Latent tokens of a picture of 1024 x 1024 pixels, in patches of 2 x 2 cells of 8 x 8 pixels."""
HANDED = ("sigmas", "timesteps", "mu")
SD3_CONFIG: dict[str, Any] = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "num_train_timesteps": 1000,
    "shift": 3.0,
}


def flow_course(
    solver: str,
    num_steps: int,
    *,
    config: Mapping[str, Any],
    options: Mapping[str, Any],
    curve: str | None,
    curve_options: Mapping[str, Any],
    eta: float | None,
    tokens: int | None,
    handed: Mapping[str, Any],
    device: "torch.device | str",
) -> Course:
    """Return the course of a solver of ours or of a diffusers scheduler; see ``sdlab.course``.

    Raises:
        ValueError: If a name, an option, the curve or the number of steps is not valid.
    """
    bounds.check_config(config)
    check_flow_config(config)
    given = _handed(handed, num_steps, config, tokens)
    if solver in solvers():
        along = (curve, curve_options)
        return _of_solver(solver, num_steps, config, options, along, eta, given)
    if curve is not None or curve_options:
        options = {**options, **_curve_flag(solver, curve, curve_options)}
    scheduler = make_flow_scheduler(solver, num_steps, config, options, given, device)
    if eta is not None and not takes_eta(type(scheduler)):
        raise ValueError(f"{solver} takes no eta, got {eta}; leave eta at None.")
    return _of_scheduler(scheduler, num_steps, config, eta)


def flow_curves(cls: type) -> dict[str, str]:
    """Return the curves over t that a class of flow matching lays itself, each with its flag."""
    if not cls.__name__.startswith("FlowM"):
        return {}
    return {
        name: flag
        for name, flag in zip(("karras", "exponential", "beta"), FLAGS, strict=True)
        if flag in parameters(cls)
    }


@lru_cache(maxsize=1)
def flow_classes() -> dict[str, type]:
    """Return the scheduler classes that can sample flow matching, by name."""
    return {name: cls for name, cls in scheduler_classes().items() if probe_flow(name).compatible}


@cache
def probe_flow(name: str, num_steps: int = 12) -> Probed:
    """Return whether a scheduler samples N(0.5, 0.5^2) over flow matching's times.

    Args:
        name: A class of ``scheduler_classes()``.
        num_steps: Steps of the probe.
    """
    cls = scheduler_classes()[name]
    reason = _shape(name, cls)
    if reason:
        return Probed(False, reason, False)
    try:
        results = [_sampled(name, num_steps, seed) for seed in (0, 1)]
    except Exception as error:  # whatever a foreign class does wrong is the reason
        return Probed(False, words(error)[:200], False)
    if not is_right(results[0]):
        mean, std = float(results[0].mean()), float(results[0].std())
        reason = f"draws mean {mean:.2f}, std {std:.2f} from a Gaussian of 0.50, 0.50"
        return Probed(False, reason, False)
    return Probed(True, "", bool((results[0] == results[1]).all()))


def make_flow_scheduler(
    name: str,
    num_steps: int,
    config: Mapping[str, Any],
    options: Mapping[str, Any],
    handed: Mapping[str, Any] | None = None,
    device: "torch.device | str" = "cpu",
) -> Any:
    """Return the scheduler made of the model's config, options on top, timesteps set.

    Args:
        name: One of ``flow_classes``.
        num_steps: Steps to set.
        config: The model's flow-matching ``scheduler.config``.
        options: Parameters of the class that replace the config's.
        handed: What ``set_timesteps`` is given beside the steps; ``mu`` is that of ``TOKENS`` else.
        device: Where its tables go.

    Raises:
        ValueError: If the class cannot sample flow matching, or a parameter is not valid.
        SchedulerError: If the class itself refuses them.
    """
    if name not in scheduler_classes():
        raise ValueError(unknown_solver(name, [*solvers(), *flow_classes()]))
    if name not in flow_classes():
        raise ValueError(
            f"{name} cannot sample flow matching ({probe_flow(name).reason}). Valid:"
            f" {', '.join(sorted(flow_classes()))}."
        )
    cls: Any = flow_classes()[name]
    check_options(cls, options)
    dynamic = {**config, **options}.get("use_dynamic_shifting")
    if dynamic and "mu" not in inspect.signature(cls.set_timesteps).parameters:
        raise ValueError(
            f"{name} cannot shift by the picture's size, as use_dynamic_shifting asks for: its"
            " set_timesteps takes no mu."
        )
    given = {**_flow_options(cls, config), **options}
    with refusing(name, num_steps, given):
        scheduler = cls.from_config(dict(config), **given)
        given = {"mu": dynamic_mu(TOKENS, config), **(handed or {})}
        if not scheduler.config.get("use_dynamic_shifting"):
            del given["mu"]
        if "sigmas" in given:  # an array, as pipelines make them: UniPC fails on a list
            given["sigmas"] = np.array(given["sigmas"])
        scheduler.set_timesteps(num_steps, device=device, **given)
    return scheduler


def times_of(scheduler: Any) -> list[float]:
    """Return the time t of every evaluation of a scheduler whose timesteps are set.

    Of its own table where that has one entry more than there are timesteps (those may be rounded),
    else of its timesteps.
    """
    table, count = getattr(scheduler, "sigmas", None), len(scheduler.timesteps)
    if table is not None and len(table) == count + 1:
        return [float(t) for t in table.tolist()[:count]]
    trained = scheduler.config.num_train_timesteps
    return [float(t) / trained for t in scheduler.timesteps.tolist()]


def _of_solver(
    name: str,
    num_steps: int,
    config: Mapping[str, Any],
    options: Mapping[str, Any],
    along: tuple[str | None, Mapping[str, Any]],
    eta: float | None,
    handed: Mapping[str, Any],
) -> Course:
    solver, options = solvers()[name], dict(options)
    if eta is not None:
        if "eta" not in solver.options:
            raise ValueError(f"solver {name!r} takes no eta, got {eta}; leave eta at None.")
        options["eta"] = eta
    solver.check_options(options)
    laid_out = FlowSolverScheduler.from_config(
        {**config, "shift": flow_shift(config)},
        solver=name,
        curve=along[0],
        solver_options=options,
        curve_options=dict(along[1]),
    )
    bounds.check_steps(num_steps, laid_out.config.num_train_timesteps)
    if "timesteps" in handed and "sigmas" not in handed:
        raise ValueError(
            f"solver {name!r} takes no timesteps of its own, got {handed['timesteps']!r:.60}; hand"
            " it the times as sigmas."
        )
    mu = handed["mu"] if config.get("use_dynamic_shifting") else None
    given = {name: handed.get(name) for name in ("sigmas", "timesteps")}
    times, asked, told = laid_out.course(num_steps, mu, **given)
    form, schedule = flow_form(solver, options), NoiseSchedule.from_config(config)

    def make_process(start: "Tensor", generator: "torch.Generator") -> Process:
        return _solver_process(form, options, start, times, Noise(generator), told)

    steps = tuple(solver.step_of(e, num_steps) for e in range(len(asked)))
    sigmas = tuple(time_to_sigma(asked).tolist())
    end = float(time_to_sigma(times[-1]))
    return Course(name, num_steps, schedule, sigmas, told, steps, end, None, make_process)


def _of_scheduler(
    scheduler: Any, num_steps: int, config: Mapping[str, Any], eta: float | None
) -> Course:
    sigmas = tuple(time_to_sigma(times_of(scheduler)).tolist())
    steps = tuple(evaluation_steps(scheduler, num_steps))
    told = tuple(float(t) for t in scheduler.timesteps.tolist())
    schedule = NoiseSchedule.from_config(config)

    def make_process(start: "Tensor", generator: "torch.Generator") -> Process:
        return _scheduler_process(copy.deepcopy(scheduler), start, sigmas, steps, eta, generator)

    name = type(scheduler).__name__
    end = float(time_to_sigma(float(scheduler.sigmas[-1])))
    return Course(name, num_steps, schedule, sigmas, told, steps, end, scheduler, make_process)


def _curve_flag(name: str, curve: str | None, curve_options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the option by which a class lays a curve over t itself.

    Raises:
        ValueError: If it lays no such curve, or an option of the curve is given.
    """
    known = flow_curves(flow_classes()[name]) if name in flow_classes() else {}
    if curve not in known or curve_options:
        can = f"only {', '.join(known)}, without options" if known else "none"
        raise ValueError(
            f"{name} takes no such curve over flow matching's times, got {curve!r}; it lays {can}."
            " A solver of sdlab's takes any."
        )
    return {known[curve]: True}


def _handed(
    handed: Mapping[str, Any], num_steps: int, config: Mapping[str, Any], tokens: int | None
) -> dict[str, Any]:
    """Return what ``set_timesteps`` is given beside the steps, ``mu`` always among it.

    Raises:
        ValueError: If an entry is unknown or its value is not valid.
    """
    for name, value in handed.items():
        if name not in HANDED:
            raise ValueError(unknown("entry of handed", name, HANDED))
        if name == "mu":
            if value is not None and not -20 <= value <= 20:
                raise ValueError(f"mu must be a number from -20 to 20, got {value!r:.60}.")
        elif value is not None:
            most = 1.0 if name == "sigmas" else bounds.MAX_TIMESTEPS
            if len(value) != num_steps or not all(0 < float(item) <= most for item in value):
                raise ValueError(
                    f"{name} must be {num_steps} numbers above 0 up to {most:g}, one a step, got"
                    f" {value!r:.60}."
                )
    given = {name: value for name, value in handed.items() if value is not None}
    return {"mu": dynamic_mu(tokens or TOKENS, config), **given}


def _solver_process(
    solver: Solver,
    options: Mapping[str, Any],
    start: "Tensor",
    times: Sequence[float],
    noise: Noise,
    told: Sequence[float],
) -> Process:
    """Run a solver of ours from noise at the first time, which ``start`` is."""
    generator = solver.function(at_least_float32(start), tuple(times), noise, **options)
    evaluation, num_steps = 0, len(times) - 1
    try:
        x, time = next(generator)
        while True:
            step = solver.step_of(evaluation, num_steps)
            sigma = float(time_to_sigma(time))
            answer = yield Query(x, told[evaluation], sigma, step)
            evaluation += 1
            x, time = generator.send(answer.x0_pred)
    except StopIteration as stop:
        end: Tensor = stop.value
        return end
    finally:
        generator.close()


def _scheduler_process(
    scheduler: Any,
    start: "Tensor",
    sigmas: Sequence[float],
    steps: Sequence[int],
    eta: float | None,
    generator: "torch.Generator | None",
) -> Process:
    """Drive a scheduler as diffusers' flow-matching pipelines do.

    Raises:
        SchedulerError: If the scheduler cannot make a step; says which, and what it says.
    """
    accepted = inspect.signature(scheduler.step).parameters
    given: dict[str, Any] = {"eta": eta or 0.0, "generator": generator}
    given = {name: value for name, value in given.items() if name in accepted}
    latents, numbers = start, scheduler.timesteps.tolist()
    for i, t in enumerate(scheduler.timesteps):
        answer = yield Query(latents, float(numbers[i]), sigmas[i], steps[i])
        try:
            latents = scheduler.step(answer.output, t, latents, **given, return_dict=False)[0]
        except Exception as error:
            raise failure(scheduler, i, numbers, sigmas, error) from error
    return latents


def _flow_options(cls: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a class of the other path is to be told so that it samples on this one."""
    if "use_flow_sigmas" not in parameters(cls):
        return {}
    wanted = {
        "use_flow_sigmas": True,
        "prediction_type": "flow_prediction",
        "flow_shift": flow_shift(config),
    }
    return {name: value for name, value in wanted.items() if name in parameters(cls)}


def _shape(name: str, cls: Any) -> str:
    """Return why a class is not even tried, or ''."""
    taken = parameters(cls)
    if "beta_start" in taken and "use_flow_sigmas" not in taken:
        return "does not know flow matching"
    if "Inverse" in name:
        return "goes from picture to noise"
    return ""


def _sampled(name: str, num_steps: int, seed: int) -> "Tensor":
    """Sample N(0.5, 0.25) from its exact velocity; float32 [1, 4, 16, 16]."""
    import torch

    cls: Any = scheduler_classes()[name]
    with quiet():
        scheduler = cls.from_config(dict(SD3_CONFIG), **_flow_options(cls, SD3_CONFIG))
        scheduler.set_timesteps(num_steps, device="cpu")
        sigmas = time_to_sigma(times_of(scheduler)).tolist()
        steps = evaluation_steps(scheduler, num_steps)
        start = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(7))
        generator = torch.Generator().manual_seed(seed)
        process = _scheduler_process(scheduler, start, sigmas, steps, None, generator)
        return drive(process, lambda query: gaussian_answer(query, "flow"))
