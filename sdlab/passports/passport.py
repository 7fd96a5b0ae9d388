"""``passport``: the sigmas, timesteps and evaluations that an engine really runs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from os import PathLike
from typing import Any

import numpy as np

from sdlab.bounds import check_steps
from sdlab.errors import check_types, shown, unknown
from sdlab.noise.flow import time_to_sigma
from sdlab.passports.asked import Asked, Engine
from sdlab.passports.presets import Preset, preset_of
from sdlab.plain import plain

_FILES = {
    "diffusers": "diffusers_engine",
    "comfyui": "comfyui",
    "a1111": "a1111",
    "forge": "forge",
    "invokeai": "invokeai",
    "k-diffusion": "k_diffusion",
}
ENGINES = tuple(_FILES)
"""The engines by name."""
OTHER_NAMES = {
    "comfy": "comfyui",
    "automatic1111": "a1111",
    "auto1111": "a1111",
    "webui": "a1111",
    "invoke": "invokeai",
    "kdiffusion": "k-diffusion",
    "k_diffusion": "k-diffusion",
}


@dataclass(frozen=True)
class Passport:
    """What an engine runs for a model, a scheduler, a number of steps and a denoise.

    Attributes:
        engine: Of ``ENGINES``.
        model: The preset's name; "config" of a scheduler_config.json.
        scheduler: The engine's own name.
        num_steps: What its field "steps" says; the steps that run are one fewer than ``sigmas``.
        denoise: The share of the way, above 0 up to 1.
        path: What ``sigmas`` are: "sigma", noise over signal, or "flow", the time t from 1 to 0.
        sigmas: The noise levels from step to step, descending; the last is where the result lies.
        timesteps: What the network is told at the start of each step, in the engine's own unit.
        evaluations: Calls of the network, a pair of guidance counted once.
        noise_scale: The start is this times standard normal noise, beside the picture that is
            changed; in the units of the first sigma, which it should be or come close to.
        source: Which part of the engine does so, with its version or commit.
        notes: What a reader would not expect, a sentence each.
        options: Further settings of the engine that were given.
    """

    engine: str
    model: str
    scheduler: str
    num_steps: int
    denoise: float
    path: str
    sigmas: tuple[float, ...]
    timesteps: tuple[float, ...]
    evaluations: int
    noise_scale: float
    source: str
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    preset: Preset = field(repr=False, compare=False, kw_only=True)

    @property
    def steps(self) -> int:
        """The steps that run."""
        return len(self.sigmas) - 1

    @property
    def setting(self) -> str:
        """What is set in the engine: "karras, 20 steps, denoise 0.5"."""
        steps = "1 step" if self.num_steps == 1 else f"{self.num_steps} steps"
        part = "" if self.denoise == 1 else f", denoise {self.denoise:g}"
        extra = "".join(f", {name}={value}" for name, value in self.options.items())
        return f"{self.scheduler}, {steps}{part}{extra}"

    @property
    def title(self) -> str:
        """A line that names it: "ComfyUI: karras, 20 steps; Stable Diffusion 1.5"."""
        return f"{engine_named(self.engine).title}: {self.setting}; {self.preset.title}"

    def noise_to_signal(self) -> tuple[float, ...]:
        """Return noise over signal at each of ``sigmas``, whatever the path; may be infinite."""
        if self.path == "sigma":
            return self.sigmas
        return tuple(time_to_sigma(self.sigmas).tolist())

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it; what is infinite, where alpha_bar is 0, is null."""
        values = {key: value for key, value in self.__dict__.items() if key != "preset"}
        return {
            **values,
            "steps": self.steps,
            "sigmas": [sigma if math.isfinite(sigma) else None for sigma in self.sigmas],
            "timesteps": list(self.timesteps),
            "noise_scale": self.noise_scale if math.isfinite(self.noise_scale) else None,
            "notes": list(self.notes),
            "options": dict(self.options),
        }


def passport(
    engine: str,
    model: "Preset | str | PathLike[str] | Mapping[str, Any]" = "sd15",
    scheduler: str | None = None,
    num_steps: int = 20,
    denoise: float = 1.0,
    **options: Any,
) -> Passport:
    """Return the sigmas, timesteps and evaluations that an engine runs.

    Args:
        engine: "diffusers", "comfyui", "a1111" (AUTOMATIC1111), "forge", "invokeai" or
            "k-diffusion".
        model: A name of ``sdlab.passports.presets.PRESETS``, such as "sd15" or "flux-dev", or any
            diffusers scheduler_config.json, as a path or as a dict.
        scheduler: By the engine's own name: "karras" of ComfyUI, "EulerDiscreteScheduler" of
            diffusers, "euler_k" of InvokeAI. None for the engine's default.
        num_steps: What the engine's field "steps" says, at least 1.
        denoise: Share of the way, above 0 up to 1; diffusers' ``strength``. 1 draws from noise.
        **options: Further settings, those of ``options_of(engine)``: ``sampler``, ``shift``,
            ``width`` and ``height``, ``discard_penultimate`` and others; of diffusers any
            parameter of the scheduler's class, such as ``use_karras_sigmas=True``.

    Raises:
        ValueError: If a name or value is not valid, or the engine cannot run the model.
        TypeError: If an argument is of another kind.
    """
    check_types(passport, engine=(engine, str), scheduler=(scheduler, (str, type(None))))
    name, place = engine_of(engine), preset_of(model)
    num_steps, denoise = plain(num_steps), plain(denoise)
    check_steps(num_steps, 1000)
    if isinstance(denoise, bool) or not isinstance(denoise, (int, float)) or not 0 < denoise <= 1:
        raise ValueError(f"denoise must be above 0 up to 1, got {shown(denoise)}.")
    found = engine_named(name)
    if not found.schedulers(place):
        able = ", ".join(able_of(name))
        raise ValueError(f"{found.title} does not run {place.title}. It runs: {able}.")
    given = {key: plain(value) for key, value in options.items() if value is not None}
    _check_options(name, given)
    with np.errstate(all="ignore"):
        laid = found.lay(Asked(place, scheduler, num_steps, float(denoise), given))
    sigmas = tuple(float(sigma) for sigma in laid.sigmas)
    if any(math.isnan(sigma) for sigma in sigmas):
        raise ValueError(
            f"{found.title} makes a sigma that is no number of {laid.scheduler!r} in {num_steps}"
            f" {'step' if num_steps == 1 else 'steps'} of {place.title}. Take more steps."
        )
    return Passport(
        engine=name,
        model=place.name,
        scheduler=laid.scheduler,
        num_steps=num_steps,
        denoise=float(denoise),
        path=place.path,
        sigmas=sigmas,
        timesteps=tuple(float(step) for step in laid.timesteps),
        evaluations=laid.evaluations,
        noise_scale=float(laid.noise_scale),
        source=laid.source,
        notes=tuple(laid.notes),
        options=given,
        preset=place,
    )


def engine_of(engine: str) -> str:
    """Return an engine's name here of any usual spelling.

    Raises:
        ValueError: If there is none; names the nearest.
    """
    plain_name = engine.lower().replace(" ", "-")
    name = OTHER_NAMES.get(plain_name, plain_name)
    if name not in ENGINES:
        raise ValueError(unknown("engine", engine, ENGINES))
    return name


@cache
def engine_named(name: str) -> Engine:
    """Return an engine of ``ENGINES``."""
    found: Engine = import_module(f"sdlab.passports.{_FILES[name]}").ENGINE
    return found


def schedulers_of(engine: str, model: Any = "sd15") -> tuple[str, ...]:
    """Return the names of an engine's schedulers for a model; () if it cannot run it.

    Raises:
        ValueError: If there is no such engine or model.
    """
    return tuple(engine_named(engine_of(engine)).schedulers(preset_of(model)))


def options_of(engine: str) -> dict[str, Any]:
    """Return an engine's further settings with their defaults.

    Raises:
        ValueError: If there is no such engine.
    """
    return dict(engine_named(engine_of(engine)).options)


def able_of(engine: str) -> list[str]:
    """Return the names of the models that an engine runs."""
    from sdlab.passports.presets import PRESETS

    return [name for name, place in PRESETS.items() if engine_named(engine).schedulers(place)]


def _check_options(name: str, given: Mapping[str, Any]) -> None:
    """Refuse what the engine has no setting for; diffusers' classes check their own."""
    if name == "diffusers":
        return
    known = engine_named(name).options
    for key, value in given.items():
        if key not in known:
            raise ValueError(unknown(f"option of {name}", key, known))
        default = known[key]
        if _kind(value) is not _kind(default):
            raise ValueError(f"{key} of {name} cannot be {shown(value)}; it is {default!r} else.")
        if _kind(value) is float and not 0 < value <= 1e6:
            raise ValueError(f"{key} of {name} must be above 0 up to 1e6, got {shown(value)}.")


def _kind(value: Any) -> type:
    """Return the type of a value, of a whole number float too."""
    return float if type(value) is int else type(value)
