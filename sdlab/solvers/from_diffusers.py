"""diffusers' schedulers as solvers: made from the model's config, with options and a curve.

``probing`` finds out which classes can be used, and ``driving`` drives them; their public names can
be imported from here too.
"""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from sdlab import bounds
from sdlab.errors import SchedulerError, shown, unknown
from sdlab.models.scheduler_config import parameters
from sdlab.noise import curves
from sdlab.noise.curves import SPACINGS
from sdlab.noise.schedule import NoiseSchedule
from sdlab.solvers.driving import (
    end_sigma,
    evaluation_sigmas,
    evaluation_steps,
    scheduler_process,
    words,
)
from sdlab.solvers.probing import (
    SD_CONFIG,
    Probed,
    check_timesteps,
    compatible_classes,
    gaussian_answer,
    prediction_types,
    probe,
    quiet,
    scheduler_classes,
    takes_sigmas,
)

if TYPE_CHECKING:
    import torch

__all__ = [
    "SD_CONFIG",
    "Probed",
    "check_options",
    "compatible_classes",
    "end_sigma",
    "evaluation_sigmas",
    "evaluation_steps",
    "gaussian_answer",
    "make_scheduler",
    "native_curves",
    "prediction_types",
    "probe",
    "scheduler_classes",
    "scheduler_curves",
    "scheduler_process",
    "takes_eta",
    "takes_sigmas",
    "words",
]


def make_scheduler(
    name: str,
    config: Mapping[str, Any],
    *,
    options: Mapping[str, Any],
    curve: str | None,
    num_steps: int,
    seed: int,
    device: "torch.device | str" = "cpu",
    curve_options: Mapping[str, Any] | None = None,
) -> Any:
    """Return a scheduler made from the model's config and options, its timesteps set.

    Args:
        name: A compatible class name.
        config: The model's ``scheduler.config``.
        options: Parameters of the class that replace the config's.
        curve: One of ``scheduler_curves``, or a user's own for classes that take sigmas from
            outside; None for the config's.
        num_steps: Steps to set.
        seed: For schedulers that draw noise from a seed of their own (``noise_sampler_seed``).
        device: Where its tables go.
        curve_options: Arguments of the curve, for classes that take sigmas from outside; the curve
            is then ours, also where the class has one of that name.

    Raises:
        ValueError: If the class cannot sample Stable Diffusion, or a parameter, the curve or the
            number of steps is not valid; the message names it and what is.
        SchedulerError: If the class itself refuses them.
    """
    cls = compatible_classes().get(name)
    if cls is None:
        reason = probe(name).reason if name in scheduler_classes() else "no such class"
        raise ValueError(
            f"{name} cannot sample Stable Diffusion ({reason}). Valid: "
            f"{', '.join(sorted(compatible_classes()))}."
        )
    check_options(cls, options)
    bounds.check_config(config)
    follows = _follows(cls, curve, curve_options or {})
    extra = {**_curve_options(cls, None if follows else curve, off=follows), **options}
    if "noise_sampler_seed" in parameters(cls):
        extra.setdefault("noise_sampler_seed", seed % 2**63)
    num_timesteps = config.get("num_train_timesteps") or 1000
    bounds.check_steps(num_steps, num_timesteps)
    with refusing(name, num_steps, extra):
        scheduler = cls.from_config(dict(config), **extra)  # type: ignore[attr-defined]
    layout: dict[str, Any] = {"num_inference_steps": num_steps}
    if follows:
        schedule = NoiseSchedule.from_config(scheduler.config)
        sigmas = curves.make(curve, schedule, num_steps, curve_options or {})
        layout = {"sigmas": sigmas.tolist()}
    with refusing(name, num_steps, extra):
        scheduler.set_timesteps(**layout, device=device)
    check_timesteps(scheduler, num_timesteps)
    return scheduler


@contextmanager
def refusing(name: str, num_steps: int, given: Mapping[str, Any]) -> Iterator[None]:
    """Turn what a class raises into a ``SchedulerError`` that says how it was called."""
    try:
        with quiet():
            yield
    except Exception as error:
        asked = ", ".join(f"{k}={shown(v)}" for k, v in given.items()) or "its defaults"
        reason = error if isinstance(error, (ValueError, NotImplementedError)) else words(error)
        raise SchedulerError(
            f"{name} refuses {asked} with num_steps={num_steps}: {reason}"
        ) from error


def check_options(cls: type, options: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` if an option is no parameter of the class, or out of its bounds.

    Raises:
        ValueError: Naming the parameter, the valid ones with defaults, and the nearest.
    """
    valid = parameters(cls)
    for key, value in options.items():
        if key not in valid:
            listed = ", ".join(f"{name}={default!r}" for name, default in valid.items())
            raise ValueError(
                f"{unknown(f'parameter of {cls.__name__}', key, valid)} With defaults: {listed}."
            )
        bounds.check_option(key, value, valid[key], cls.__name__)


def native_curves(cls: type) -> list[str]:
    """Return the curves that a scheduler class has parameters for."""
    valid = parameters(cls)
    spacings = list(SPACINGS) if _spacing_matters(cls) else []
    return spacings + [c for c in ("karras", "exponential") if f"use_{c}_sigmas" in valid]


def scheduler_curves(cls: type) -> list[str]:
    """Return the curve names that a scheduler class can follow.

    Classes that take sigmas from outside can follow all of sdlab's; the class's own come first.
    """
    native = native_curves(cls)
    if not takes_sigmas(cls.__name__):
        return native
    return [*native, *(name for name in curves.names() if name not in native)]


def takes_eta(cls: type) -> bool:
    """Return whether ``step`` takes ``eta``."""
    step = getattr(cls, "step", None)  # ScoreSdeVe and ScoreSdeVp have none
    return step is not None and "eta" in inspect.signature(step).parameters


def _follows(cls: type, curve: str | None, curve_options: Mapping[str, Any]) -> bool:
    """Return whether the curve is sdlab's, passed to the class as sigmas."""
    native = native_curves(cls)
    if not takes_sigmas(cls.__name__):
        if curve is not None and curve not in native:
            raise ValueError(unknown(f"curve for {cls.__name__}", curve, native))
        if curve_options:
            raise ValueError(
                f"{cls.__name__} takes its curve's options as its own parameters, got"
                f" curve_options {dict(curve_options)}; use solver_options."
            )
        return False
    if curve is None and curve_options:
        raise ValueError(f"curve_options {dict(curve_options)} need a curve; name one.")
    allowed = [*scheduler_curves(cls), *curves.OWN]
    if curve is not None and curve not in allowed:
        raise ValueError(unknown(f"curve for {cls.__name__}", curve, allowed))
    return curve is not None and (curve not in native or bool(curve_options))


def _curve_options(cls: type, curve: str | None, off: bool) -> dict[str, Any]:
    """Return the class's parameters for one of its own curves; ``off`` gives none of them."""
    if curve is None and not off:
        return {}
    valid = parameters(cls)
    flags = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
    out: dict[str, Any] = {flag: False for flag in flags if flag in valid}
    if curve in SPACINGS:
        return {**out, "timestep_spacing": curve}
    return {**out, f"use_{curve}_sigmas": True} if curve else out


@cache
def _spacing_matters(cls: Any) -> bool:
    """Return whether ``timestep_spacing`` changes the timesteps (LCM takes it and ignores it)."""
    if "timestep_spacing" not in parameters(cls):
        return False
    seen = set()
    with quiet():
        scheduler = cls.from_config(dict(SD_CONFIG))
        for spacing in SPACINGS:
            scheduler.register_to_config(timestep_spacing=spacing)
            scheduler.set_timesteps(7)
            seen.add(tuple(scheduler.timesteps.tolist()))
    return len(seen) > 1
