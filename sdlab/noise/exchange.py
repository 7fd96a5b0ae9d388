"""Export and import of curves: JSON, sigma lists, diffusers.

Out: a curve as JSON that says where it comes from, as the plain list that ComfyUI and k-diffusion
take, or as a diffusers scheduler config with the lines of Python that use it. In: that JSON, and
the curve part of somebody's scheduler_config.json (``diffusers_config``).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdlab.noise.curves import CURVES, SPACINGS, find, make
from sdlab.noise.flow import is_flow
from sdlab.noise.schedule import FlowTimes, NoiseSchedule

KIND, FORMAT = "sdlab.curve", 1
MAX_BYTES = 500_000
SD_MODEL = "stable-diffusion-v1-5/stable-diffusion-v1-5"
FLOW_MODEL = "your/flow-matching-model"
FLAGS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")


@dataclass(frozen=True)
class NamedCurve:
    """A curve as an experiment names it.

    Attributes:
        curve: A name of ``CURVES``.
        options: Its options; lists are tuples.
        num_steps: The steps that it was made for.
    """

    curve: str
    options: dict[str, Any]
    num_steps: int


@dataclass(frozen=True)
class DiffusersCurve:
    """A curve as diffusers takes it.

    Attributes:
        config: For scheduler_config.json.
        sigmas: What goes to ``set_timesteps(sigmas=...)``, the 0 included; None where the config
            alone makes the curve.
        snippet: Python that makes a picture with it.
    """

    config: dict[str, Any]
    sigmas: tuple[float, ...] | None
    snippet: str


def curve_json(
    name: str, options: Mapping[str, Any], schedule: NoiseSchedule, num_steps: int
) -> str:
    """Return a curve as JSON: its name, options, source and sigmas over a schedule.

    Raises:
        ValueError: If it is no valid curve.
    """
    sigmas = make(name, schedule, num_steps, options)
    values = {
        "kind": KIND,
        "format": FORMAT,
        "curve": name,
        "options": dict(options),
        "num_steps": num_steps,
        "about": find(name).about,
        "source": find(name).source,
        "sigmas": sigmas.tolist(),
    }
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_curve(text: str | bytes) -> NamedCurve:
    """Return the curve that ``curve_json`` wrote; whether it fits a model is checked by ``make``.

    Raises:
        ValueError: If it is no such JSON.
    """
    values = read_object(text, "curve")
    if values.get("kind") != KIND:
        raise ValueError(
            f"this JSON is no curve of sdlab: its kind must be {KIND!r}, got"
            f" {values.get('kind')!r:.60}."
        )
    if values.get("format") != FORMAT:
        raise ValueError(
            f"the curve is of format {values.get('format')!r:.60}; this version of sdlab reads"
            f" format {FORMAT}."
        )
    name, options, steps = (values.get(key) for key in ("curve", "options", "num_steps"))
    if not isinstance(name, str) or name not in CURVES:
        raise ValueError(f"the curve has an unknown name: {name!r:.60}.")
    if not isinstance(options, dict):
        raise ValueError(f"the curve's options must be an object, got {options!r:.60}.")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"the curve's num_steps must be a whole number, got {steps!r:.60}.")
    return NamedCurve(name, {key: frozen(value) for key, value in options.items()}, steps)


def sigma_list(sigmas: Sequence[float]) -> str:
    """Return sigmas as text in one line, as ComfyUI and k-diffusion's users paste them."""
    return ", ".join(f"{float(sigma):.6g}" for sigma in sigmas)


def diffusers_curve(
    name: str,
    options: Mapping[str, Any],
    config: Mapping[str, Any],
    num_steps: int,
    model: str | None = None,
) -> DiffusersCurve:
    """Return a curve as a config of diffusers' EulerDiscreteScheduler, with its Python.

    diffusers makes some curves by itself; for the others the sigmas are passed to the pipeline,
    which of Stable Diffusion's schedulers Euler and UniPC take.

    Args:
        name: The curve.
        options: Its options.
        config: The model's ``scheduler.config``.
        num_steps: Solver steps.
        model: What the snippet loads: a hub id or a folder; else Stable Diffusion 1.5, or with
            flow matching a placeholder.

    Of flow matching the config is one of FlowMatchEulerDiscreteScheduler without a shift of its
    own, and the times go to the pipeline.

    Raises:
        ValueError: If it is no valid curve.
    """
    if is_flow(config):
        return _flow_curve(name, options, config, num_steps, model or FLOW_MODEL)
    sigmas = tuple(make(name, NoiseSchedule.from_config(config), num_steps, options).tolist())
    # diffusers' spacings and curves of a single step start at the schedule's other end.
    own = _flags(name, options) if num_steps > 1 else None
    changes: dict[str, Any] = {flag: False for flag in FLAGS if config.get(flag)}
    changes.update({"timestep_spacing": "linspace"} if own is None else own)
    kept = {key: value for key, value in config.items() if not key.startswith("_")}
    out = {"_class_name": "EulerDiscreteScheduler", **kept, **changes}
    passed = None if own is not None else sigmas
    return DiffusersCurve(out, passed, _snippet(changes, passed, num_steps, model or SD_MODEL))


def _flow_curve(
    name: str, options: Mapping[str, Any], config: Mapping[str, Any], num_steps: int, model: str
) -> DiffusersCurve:
    path = FlowTimes.of_config(config, 4096)
    times = tuple(make(name, path, num_steps, options).tolist())
    off = {"shift": 1.0, "use_dynamic_shifting": False, "shift_terminal": None}
    off |= {flag: False for flag in FLAGS if config.get(flag)}
    known = ("num_train_timesteps", "base_shift", "max_shift", "base_image_seq_len")
    kept = {key: config[key] for key in (*known, "max_image_seq_len") if key in config}
    made = {"_class_name": "FlowMatchEulerDiscreteScheduler", **kept, **off}
    arguments = "".join(f",\n    {key}={value!r}" for key, value in off.items())
    snippet = (
        "import torch\n"
        "from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler\n\n"
        f"sigmas = [{_wrapped(times[:-1])}]\n\n"
        "pipe = DiffusionPipeline.from_pretrained(\n"
        f"    {model!r},\n    torch_dtype=torch.bfloat16,\n)\n"
        "pipe.scheduler = FlowMatchEulerDiscreteScheduler.from_config(\n"
        f"    pipe.scheduler.config{arguments},\n)\n"
        'image = pipe("a parrot on a beach", sigmas=sigmas).images[0]\n'
    )
    return DiffusersCurve(made, times, snippet)


def read_object(text: str | bytes, what: str) -> dict[str, Any]:
    """Return a JSON text as an object.

    Raises:
        ValueError: If it is too large, no JSON, or no object.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"the {what} has {len(text):,} bytes; at most {MAX_BYTES:,} are read.")
    try:
        plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text.lstrip("\ufeff")
        values = json.loads(plain, parse_int=_integer)  # diffusers itself writes -Infinity
    except UnicodeDecodeError:
        raise ValueError(f"the {what} is not text in UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the {what} cannot be read as JSON: {error}.") from None
    if not isinstance(values, dict):
        raise ValueError(f"the {what} must be a JSON object, got a {type(values).__name__}.")
    return values


def frozen(value: Any) -> Any:
    """Return a JSON value with its lists as tuples, as an experiment's options hold them."""
    return tuple(frozen(item) for item in value) if isinstance(value, (list, tuple)) else value


def _integer(digits: str) -> int:
    if len(digits) > 30:
        raise ValueError(f"a number of {len(digits)} digits is too long")
    return int(digits)


def _flags(name: str, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the config entries that make a curve in diffusers, or None if there are none."""
    if name in SPACINGS:
        return {"timestep_spacing": name}
    full = {"timestep_spacing": "linspace"}  # whose ends are the schedule's
    if name == "karras" and dict(options) in ({}, {"rho": 7}):
        return {"use_karras_sigmas": True, **full}
    if name == "exponential" and not options:
        return {"use_exponential_sigmas": True, **full}
    shape = {"alpha": 0.6, "beta": 0.6, **options}
    if name == "beta" and shape == {"alpha": 0.6, "beta": 0.6, "over": "sigmas"}:
        return {"use_beta_sigmas": True, **full}
    return None


def _snippet(
    changes: Mapping[str, Any], sigmas: Sequence[float] | None, num_steps: int, model: str
) -> str:
    arguments = "".join(f",\n    {key}={value!r}" for key, value in changes.items())
    listed = "" if sigmas is None else f"sigmas = [{_wrapped(sigmas)}]\n\n"
    steps = f"num_inference_steps={num_steps}" if sigmas is None else "sigmas=sigmas"
    return (
        "import torch\n"
        "from diffusers import DiffusionPipeline, EulerDiscreteScheduler\n\n"
        f"{listed}"
        "pipe = DiffusionPipeline.from_pretrained(\n"
        f"    {model!r},\n    torch_dtype=torch.float32,\n)\n"
        "pipe.scheduler = EulerDiscreteScheduler.from_config(\n"
        f"    pipe.scheduler.config{arguments},\n)\n"
        f'image = pipe("a parrot on a beach", {steps}).images[0]\n'
    )


def _wrapped(sigmas: Sequence[float], width: int = 6) -> str:
    texts = [f"{sigma:.8g}" for sigma in sigmas]
    if len(texts) <= width:
        return ", ".join(texts)
    rows = [", ".join(texts[i : i + width]) for i in range(0, len(texts), width)]
    return "\n" + "".join(f"    {row},\n" for row in rows)


def finite(value: Any) -> bool:
    """Return whether a JSON value is a finite number."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and math.isfinite(value)
