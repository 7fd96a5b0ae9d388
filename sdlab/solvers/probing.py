"""Finds out which of the installed diffusers' schedulers can be used, by trying each of them.

Nothing is listed by hand: a scheduler is used if it samples an exact Gaussian when driven as
StableDiffusionPipeline would drive it. Its prediction types, and whether it takes sigmas from
outside, are found out by trying too.
"""

import inspect
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.denoisers.gaussian import denoise
from sdlab.errors import SchedulerError
from sdlab.models.scheduler_config import parameters
from sdlab.noise.flow import sigma_to_time
from sdlab.noise.schedule import PREDICTION_TYPES, NoiseSchedule
from sdlab.solvers.driving import evaluation_sigmas, evaluation_steps, scheduler_process
from sdlab.solvers.protocol import Answer, Query
from sdlab.work import drive

if TYPE_CHECKING:
    from torch import Tensor

# DPMSolverSDEScheduler's Brownian tree warns of rounding in its interval's last digit; diffusers
# warns of options that a future version will drop, but its version is pinned.
warnings.filterwarnings("ignore", message="Should have t[ab]", category=UserWarning)
warnings.filterwarnings("ignore", category=FutureWarning, module=r"diffusers\.schedulers\.")

_SILENT: ContextVar[bool] = ContextVar("silent", default=False)

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


# Sigmas that no scheduler would choose by itself.
CUSTOM = (12.0, 5.0, 2.0, 0.5, 0.1, 0.0)


class Probed(NamedTuple):
    """What a probe found out: whether the scheduler samples, why not, and whether seeds matter."""

    compatible: bool
    reason: str
    deterministic: bool


@lru_cache(maxsize=1)
def scheduler_classes() -> dict[str, type]:
    """Return every scheduler class of the installed diffusers by name, usable or not."""
    # Not as an attribute of diffusers, which it lacks while another thread imports that.
    schedulers = import_module("diffusers.schedulers")
    from diffusers.schedulers import SchedulerMixin

    found = {}
    for name in dir(schedulers):
        thing = getattr(schedulers, name, None)
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
    cls = scheduler_classes()[name]
    reason = _shape_of_step(cls)
    if reason:
        return Probed(False, reason, False)
    try:
        results = [_sample_gaussian(cls, num_steps, seed) for seed in (0, 1)]
    except Exception as error:  # whatever a foreign class raises is the reason
        return Probed(False, f"{type(error).__name__}: {error}".splitlines()[0][:200], False)
    if not is_right(results[0]):
        mean, std = float(results[0].mean()), float(results[0].std())
        reason = f"draws mean {mean:.2f}, std {std:.2f} from a Gaussian of 0.50, 0.50"
        return Probed(False, reason, False)
    return Probed(True, "", bool((results[0] == results[1]).all()))


@cache
def prediction_types(name: str, num_steps: int = 8) -> tuple[str, ...]:
    """Return the prediction types with which a compatible scheduler samples the Gaussian."""
    found = ["epsilon"]  # the probe's own
    for kind in PREDICTION_TYPES[1:]:
        try:
            result = _sample_gaussian(scheduler_classes()[name], num_steps, 0, kind)
        except Exception:  # it does not know the type
            continue
        if is_right(result):
            found.append(kind)
    return tuple(found)


@cache
def takes_sigmas(name: str) -> bool:
    """Return whether ``set_timesteps(sigmas=...)`` is followed with Stable Diffusion's config."""
    cls: Any = scheduler_classes()[name]
    if "sigmas" not in inspect.signature(cls.set_timesteps).parameters:
        return False
    try:
        with quiet():
            scheduler = cls.from_config(dict(SD_CONFIG))
            scheduler.set_timesteps(sigmas=list(CUSTOM))
    except Exception:  # UniPC takes them for flow matching only
        return False
    visited = evaluation_sigmas(scheduler, NoiseSchedule.from_config(SD_CONFIG))
    return len(visited) == len(CUSTOM) - 1 and all(
        math.isclose(a, b, rel_tol=1e-5) for a, b in zip(visited, CUSTOM, strict=False)
    )


def gaussian_answer(query: Query, prediction_type: str = "epsilon") -> Answer:
    """Return the exact prediction of that type for data N(0.5, 0.25).

    Args:
        query: ``x_t`` in VP coordinates, or for "flow" (1 - t) x0 + t n.
        prediction_type: "epsilon", "v_prediction", "sample" or "flow", the velocity n - x0.
    """
    if prediction_type == "flow":
        time = float(sigma_to_time(query.sigma))
        signal = 1.0 - time
        gain = signal * 0.25 / (signal**2 * 0.25 + time**2)
        x0_pred = 0.5 + gain * (query.x_t - signal * 0.5)
        return Answer((query.x_t - x0_pred) / time, x0_pred)
    scale = math.sqrt(1.0 + query.sigma**2)
    x = query.x_t * scale
    x0_pred = denoise(x, query.sigma, mean=0.5, std=0.5)
    eps_pred = (x - x0_pred) / query.sigma
    outputs = {
        "epsilon": eps_pred,
        "v_prediction": (eps_pred - query.sigma * x0_pred) / scale,
        "sample": x0_pred,
    }
    return Answer(outputs[prediction_type], x0_pred)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence diffusers in this thread: its classes complain about Stable Diffusion's config.

    Other threads keep their warnings. The level is left alone: two threads could not restore it.
    """
    for handler in logging.getLogger("diffusers").handlers:
        handler.addFilter(_is_heard)  # once, however often it is asked for
    token = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(token)


def _is_heard(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR or not _SILENT.get()


def check_timesteps(scheduler: Any, num_timesteps: int) -> None:
    """Raise ``SchedulerError`` if a timestep lies outside the schedule; with what to change."""
    timesteps = scheduler.timesteps.tolist()
    for t in (max(timesteps), min(timesteps)):
        if not 0 <= t <= num_timesteps - 1:
            name, steps = type(scheduler).__name__, scheduler.num_inference_steps
            raise SchedulerError(
                f"{name} with num_steps={steps} asks for timestep {t:g}, outside 0 to"
                f" {num_timesteps - 1}; {_remedy(scheduler, num_timesteps, t)}."
            )


def _remedy(scheduler: Any, num_timesteps: int, timestep: float) -> str:
    """Return what to change if a scheduler asks for a timestep outside the schedule."""
    config = scheduler.config
    if config.get("timestep_type") == "continuous":
        return (
            "timestep_type='continuous' tells the network ln(sigma) / 4, as Stable Video Diffusion"
            " takes it; Stable Diffusion takes 'discrete'"
        )
    trained = config.get("num_train_timesteps", num_timesteps)
    if trained != num_timesteps:
        return f"num_train_timesteps is {trained}, the model's is {num_timesteps}; leave it there"
    if config.get("timestep_spacing") == "leading" and timestep <= 2 * num_timesteps:
        if "timestep_spacing" in parameters(type(scheduler)) and timestep > 0:
            return "take fewer steps or another spacing"
    return "it does not count timesteps as Stable Diffusion's networks do"


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


def _sample_gaussian(
    cls: Any, num_steps: int, seed: int, prediction_type: str = "epsilon"
) -> "Tensor":
    """Sample N(0.5, 0.25) from its exact denoiser; float32 [1, 4, 16, 16]."""
    import torch

    config = {**SD_CONFIG, "prediction_type": prediction_type}
    extra = {"noise_sampler_seed": seed} if "noise_sampler_seed" in parameters(cls) else {}
    with quiet():
        scheduler = cls.from_config(config, **extra)
        scheduler.set_timesteps(num_steps, device="cpu")
        check_timesteps(scheduler, SD_CONFIG["num_train_timesteps"])
        start = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(7))
        process = scheduler_process(
            scheduler,
            start,
            steps=evaluation_steps(scheduler, num_steps),
            sigmas=evaluation_sigmas(scheduler, NoiseSchedule.from_config(config)),
            generator=torch.Generator().manual_seed(seed),
        )
        return drive(process, lambda query: gaussian_answer(query, prediction_type))


def is_right(result: "Tensor") -> bool:
    """Return whether a sample is near enough to N(0.5, 0.5^2)."""
    mean, std = float(result.mean()), float(result.std())
    return abs(mean - 0.5) < 0.1 and 0.2 < std < 0.8
