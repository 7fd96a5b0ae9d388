"""diffusers' schedulers as solvers: found in the installed diffusers, driven unchanged.

A scheduler takes part if it samples an exact Gaussian, in the way StableDiffusionPipeline would
drive it (``probe``); nothing is listed by hand. Driven alone, the arithmetic is the pipeline's own,
operation by operation, so the final latents are bit-identical to it.
"""

import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.denoisers.gaussian import denoise
from sdlab.errors import unknown
from sdlab.noise.curves import SPACINGS
from sdlab.noise.schedule import NoiseSchedule
from sdlab.sampling.process import Answer, Process, Query
from sdlab.solvers.registry import check_type

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# DPMSolverSDEScheduler's Brownian tree warns of rounding in its interval's last digit.
warnings.filterwarnings("ignore", message="Should have t[ab]", category=UserWarning)

# The scheduler config of Stable Diffusion 1.x, with which schedulers are probed.
SD_CONFIG: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
    "skip_prk_steps": True,
}


class Probed(NamedTuple):
    """What a probe found out: whether it samples, why not, and whether seeds matter."""

    compatible: bool
    reason: str
    deterministic: bool


@lru_cache(maxsize=1)
def scheduler_classes() -> dict[str, type]:
    """Return every scheduler class of the installed diffusers by name, usable or not."""
    import diffusers
    from diffusers.schedulers import SchedulerMixin

    found = {}
    for name in dir(diffusers.schedulers):
        thing = getattr(diffusers.schedulers, name, None)
        if inspect.isclass(thing) and issubclass(thing, SchedulerMixin):
            if thing is not SchedulerMixin:
                found[name] = thing
    return found


@lru_cache(maxsize=1)
def compatible_classes() -> dict[str, type]:
    """Return the scheduler classes that can sample Stable Diffusion, by name."""
    return {name: cls for name, cls in scheduler_classes().items() if probe(name).compatible}


@cache
def probe(name: str, num_steps: int = 12) -> Probed:
    """Return whether a scheduler samples N(0.5, 0.5^2) from its exact denoiser.

    Args:
        name: A class of ``scheduler_classes()``.
        num_steps: Steps of the probe.
    """
    from diffusers.utils import logging as diffusers_logging

    cls = scheduler_classes()[name]
    reason = _shape_of_step(cls)
    if reason:
        return Probed(False, reason, False)
    level = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()  # foreign classes complain about SD's config
    try:
        results = [_sample_gaussian(cls, num_steps, seed) for seed in (0, 1)]
    except Exception as error:  # whatever a foreign class does wrong is the reason
        return Probed(False, f"{type(error).__name__}: {error}".splitlines()[0][:200], False)
    finally:
        diffusers_logging.set_verbosity(level)
    mean, std = float(results[0].mean()), float(results[0].std())
    if not (abs(mean - 0.5) < 0.1 and 0.2 < std < 0.8):
        reason = f"draws mean {mean:.2f}, std {std:.2f} from a Gaussian of 0.50, 0.50"
        return Probed(False, reason, False)
    return Probed(True, "", bool((results[0] == results[1]).all()))


def make_scheduler(
    name: str,
    config: Mapping[str, Any],
    *,
    options: Mapping[str, Any],
    curve: str | None,
    num_steps: int,
    seed: int,
    device: "torch.device | str" = "cpu",
) -> Any:
    """Return the scheduler ``from_config`` of the model's, options on top, timesteps set.

    Args:
        name: A compatible class name.
        config: The model's ``scheduler.config``.
        options: Parameters of the class that replace the config's.
        curve: A spacing, "karras" or "exponential", where the class has it; None for the config's.
        num_steps: Steps to set.
        seed: For schedulers that draw noise from a seed of their own (``noise_sampler_seed``).
        device: Where its tables go.

    Raises:
        ValueError: If the class cannot sample Stable Diffusion, or a parameter, the curve or the
            number of steps is not valid; the message names it and what is.
    """
    cls = compatible_classes().get(name)
    if cls is None:
        reason = probe(name).reason if name in scheduler_classes() else "no such class"
        raise ValueError(
            f"{name} cannot sample Stable Diffusion ({reason}). Valid: "
            f"{', '.join(sorted(compatible_classes()))}."
        )
    check_options(cls, options)
    extra = {**_curve_options(cls, curve), **options}
    if "noise_sampler_seed" in _parameters(cls):
        extra.setdefault("noise_sampler_seed", seed % 2**63)
    num_timesteps = config.get("num_train_timesteps", 1000)
    if num_steps > num_timesteps:
        raise ValueError(
            f"num_steps must be from 1 to {num_timesteps}, the schedule's timesteps, got"
            f" {num_steps}."
        )
    try:
        scheduler = cls.from_config(dict(config), **extra)  # type: ignore[attr-defined]
        scheduler.set_timesteps(num_steps, device=device)
    except Exception as error:
        given = ", ".join(f"{k}={v!r}" for k, v in extra.items()) or "its defaults"
        raise ValueError(f"{name} refuses {given} with num_steps={num_steps}: {error}") from error
    _check_timesteps(scheduler, num_timesteps)
    return scheduler


def check_options(cls: type, options: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` if an option is no parameter of the class or of the wrong type.

    Raises:
        ValueError: Naming the parameter, the valid ones with defaults, and the nearest.
    """
    valid = _parameters(cls)
    for key, value in options.items():
        if key not in valid:
            listed = ", ".join(f"{name}={default!r}" for name, default in valid.items())
            raise ValueError(
                f"{unknown(f'parameter of {cls.__name__}', key, valid)} With defaults: {listed}."
            )
        check_type(f"{key} of {cls.__name__}", value, valid[key])


def scheduler_curves(cls: type) -> list[str]:
    """Return the curve names that a scheduler class can follow."""
    parameters = _parameters(cls)
    spacings = list(SPACINGS) if _spacing_matters(cls) else []
    return spacings + [c for c in ("karras", "exponential") if f"use_{c}_sigmas" in parameters]


def takes_eta(cls: type) -> bool:
    """Return whether ``step`` takes ``eta``."""
    return "eta" in inspect.signature(cls.step).parameters  # type: ignore[attr-defined]


def evaluation_sigmas(scheduler: Any, schedule: NoiseSchedule) -> list[float]:
    """Return the noise level of each evaluation of a scheduler whose timesteps are set.

    Taken from the scheduler's own table of sigmas where it has one (its timesteps may be rounded),
    else from the timestep. Second-order schedulers evaluate between table entries.
    """
    timesteps = scheduler.timesteps.tolist()
    by_time = schedule.timestep_to_sigma(timesteps)
    table = getattr(scheduler, "sigmas", None)
    if table is None:
        return by_time.tolist()
    between = hasattr(scheduler, "sigmas_interpol") or hasattr(scheduler, "mid_point_sigma")
    return [
        float(by_time[i]) if between and i % 2 else sigma
        for i, sigma in enumerate(table.tolist()[: len(timesteps)])
    ]


def end_sigma(scheduler: Any) -> float:
    """Return the noise level at which the last step of a scheduler ends.

    The last entry of its sigmas where it has them; else from ``final_alpha_cumprod`` (DDIM, PNDM),
    and 0 for those without one (DDPM).
    """
    table = getattr(scheduler, "sigmas", None)
    if table is not None:
        return float(table[-1])
    alpha_bar = float(getattr(scheduler, "final_alpha_cumprod", 1.0))
    return math.sqrt((1.0 - alpha_bar) / alpha_bar)


def evaluation_steps(scheduler: Any, num_steps: int) -> list[int]:
    """Return the solver step of each evaluation, counted from 0."""
    count, order = len(scheduler.timesteps), scheduler.order
    if order > 1:
        return [min(e // order, num_steps - 1) for e in range(count)]
    prk_timesteps = getattr(scheduler, "prk_timesteps", None)
    prk = 0 if prk_timesteps is None else len(prk_timesteps)
    if prk:  # PNDM's Runge-Kutta start: four evaluations for each of its first steps
        start = [e // 4 for e in range(prk)]
        return [
            min(s, num_steps - 1) for s in start + list(range(prk // 4, prk // 4 + count - prk))
        ]
    extra = count - num_steps  # PNDM without it evaluates its first step twice
    return [max(0, e - extra) for e in range(count)]


def scheduler_process(
    scheduler: Any,
    start: "Tensor",
    *,
    steps: Sequence[int],
    sigmas: Sequence[float],
    eta: float | None = None,
    generator: "torch.Generator | None" = None,
) -> Process:
    """Drive a scheduler as StableDiffusionPipeline does, asking for each network call.

    Args:
        scheduler: With its timesteps set.
        start: Standard normal start noise, [1, C, h, w], in the network's dtype.
        steps: The solver step of each evaluation.
        sigmas: The noise level of each evaluation.
        eta: For schedulers whose ``step`` takes it; None means 0, as in the pipeline.
        generator: For schedulers whose ``step`` takes it.

    Returns:
        (As the generator's value) the final latents, [1, C, h, w].
    """
    accepted = inspect.signature(scheduler.step).parameters
    arguments: dict[str, Any] = {}
    if "eta" in accepted:
        arguments["eta"] = 0.0 if eta is None else eta
    if "generator" in accepted:
        arguments["generator"] = generator
    timesteps = scheduler.timesteps
    numbers = timesteps.tolist()
    latents = start * scheduler.init_noise_sigma
    for i, t in enumerate(timesteps):
        x_t = scheduler.scale_model_input(latents, t)
        answer = yield Query(x_t, float(numbers[i]), sigmas[i], steps[i])
        latents = scheduler.step(answer.output, t, latents, **arguments, return_dict=False)[0]
    return latents


def _parameters(cls: type) -> dict[str, Any]:
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
    skipped = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {p.name: p.default for p in parameters if p.kind not in skipped}


def _curve_options(cls: type, curve: str | None) -> dict[str, Any]:
    if curve is None:
        return {}
    allowed = scheduler_curves(cls)
    if curve not in allowed:
        raise ValueError(unknown(f"curve for {cls.__name__}", curve, allowed))
    parameters = _parameters(cls)
    flags = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
    out: dict[str, Any] = {flag: False for flag in flags if flag in parameters}
    if curve in SPACINGS:
        return {**out, "timestep_spacing": curve}
    return {**out, f"use_{curve}_sigmas": True}


@cache
def _spacing_matters(cls: Any) -> bool:
    """Return whether ``timestep_spacing`` changes the timesteps (LCM takes it and ignores it)."""
    if "timestep_spacing" not in _parameters(cls):
        return False
    seen = set()
    for spacing in SPACINGS:
        scheduler = cls.from_config({**SD_CONFIG, "timestep_spacing": spacing})
        scheduler.set_timesteps(7)
        seen.add(tuple(scheduler.timesteps.tolist()))
    return len(seen) > 1


def _check_timesteps(scheduler: Any, num_timesteps: int) -> None:
    """Raise ``ValueError`` if a timestep lies outside the schedule."""
    timesteps = scheduler.timesteps.tolist()
    for t in (max(timesteps), min(timesteps)):
        if not 0 <= t <= num_timesteps - 1:
            name, steps = type(scheduler).__name__, scheduler.num_inference_steps
            raise ValueError(
                f"{name} with num_steps={steps} asks for timestep {t:g}, outside 0 to"
                f" {num_timesteps - 1}; take fewer steps or another spacing."
            )


def _shape_of_step(cls: type) -> str:
    """Return why the class cannot be driven by the pipeline's loop, or ''."""
    for method in ("step", "set_timesteps", "scale_model_input"):
        if not hasattr(cls, method):
            return f"has no {method}()"
    parameters = inspect.signature(cls.step).parameters.values()  # type: ignore[attr-defined]
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if needed[1:] != ["model_output", "timestep", "sample"]:
        return f"step() needs {', '.join(needed[1:])}"
    if "num_inference_steps" not in inspect.signature(cls.set_timesteps).parameters:  # type: ignore[attr-defined]
        return "set_timesteps() takes no num_inference_steps"
    return ""


def _sample_gaussian(cls: Any, num_steps: int, seed: int) -> "Tensor":
    """Sample N(0.5, 0.25) from its exact denoiser; float32 [1, 4, 16, 16]."""
    import torch

    extra = {"noise_sampler_seed": seed} if "noise_sampler_seed" in _parameters(cls) else {}
    scheduler = cls.from_config(dict(SD_CONFIG), **extra)
    scheduler.set_timesteps(num_steps, device="cpu")
    _check_timesteps(scheduler, SD_CONFIG["num_train_timesteps"])
    schedule = NoiseSchedule.from_config(SD_CONFIG)
    start = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(7))
    sigmas = evaluation_sigmas(scheduler, schedule)
    steps = evaluation_steps(scheduler, num_steps)
    generator = torch.Generator().manual_seed(seed)
    process = scheduler_process(scheduler, start, steps=steps, sigmas=sigmas, generator=generator)
    return drive(process, gaussian_answer)


def gaussian_answer(query: Query) -> Answer:
    """Return the exact epsilon prediction for data N(0.5, 0.25)."""
    scale = math.sqrt(1.0 + query.sigma**2)
    x = query.x_t * scale
    x0_pred = denoise(x, query.sigma, mean=0.5, std=0.5)
    return Answer((x - x0_pred) / query.sigma, x0_pred)


def drive(process: Process, answer: Callable[[Query], Answer]) -> "Tensor":
    """Run a process to its end with a function that answers its queries."""
    try:
        query = next(process)
        while True:
            query = process.send(answer(query))
    except StopIteration as stop:
        return stop.value
