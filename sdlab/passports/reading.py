"""The passport of a picture, a workflow or a config: what its program ran when it made it.

Read are ComfyUI's graphs (in PNGs, saved for the interface or for its API), AUTOMATIC1111's and
Forge's parameters, InvokeAI's metadata and diffusers' scheduler_config.json. None of them says
which noise its model was trained with, so that is read off the model's name unless it is given.
"""

import math
import re
from collections.abc import Mapping
from os import PathLike
from typing import Any

from sdlab.errors import shown
from sdlab.image_files import content_of
from sdlab.metadata.comfyui_graph import graph_of, plain_values
from sdlab.metadata.infotext import split
from sdlab.metadata.reading import texts_of
from sdlab.noise.exchange import read_object
from sdlab.passports.passport import Passport, passport
from sdlab.passports.presets import of_config

_MODELS = (
    ("schnell", "flux-schnell"), ("flux", "flux-dev"), ("z.?image", "z-image"),
    ("qwen", "qwen-image"), ("wan", "wan"), ("sd3.?5|3\\.5", "sd3.5"), ("sd3|sd-3", "sd3"),
    ("playground", "playground-v2.5"), ("xl|pony|illustrious|noob", "sdxl"),
    ("v2-1|sd21|sd2|sd-2|768-v", "sd21-v"),
)  # fmt: skip
_NAMED = ("ckpt_name", "unet_name", "model_name")


def read_passport(
    source: bytes | str | PathLike[str], model: Any = None, **options: Any
) -> Passport:
    """Return the passport of what a file says was run.

    Args:
        source: A picture, a ComfyUI workflow or a scheduler_config.json: its path or its bytes.
        model: As ``sdlab.passport`` takes it; None for what the model's name there suggests.
        **options: Further settings of the engine; and ``scheduler``, ``num_steps`` and ``denoise``,
            instead of what the file says. A config says no number of steps; without one it is 20.

    Raises:
        ValueError: If it cannot be read, or says nothing of a sampler.
    """
    content = content_of(source)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _of_picture(content, model, options)
    if not text.lstrip().startswith("{"):
        return of_infotext(text, model, options)
    return _of_object(read_object(text, "file"), model, options)


def model_named(name: str) -> str:
    """Return the preset that a model's name suggests; Stable Diffusion 1.5 if none."""
    plain = name.lower()
    return next((preset for pattern, preset in _MODELS if re.search(pattern, plain)), "sd15")


def _of_picture(content: bytes, model: Any, options: Mapping[str, Any]) -> Passport:
    texts = texts_of(content)
    if "invokeai_metadata" in texts:
        return of_invoke(read_object(texts["invokeai_metadata"], "metadata"), model, options)
    for key in ("prompt", "workflow"):
        if texts.get(key, "").lstrip().startswith("{"):
            return _of_object(read_object(texts[key], "workflow"), model, options)
    if "parameters" in texts:
        return of_infotext(texts["parameters"], model, options)
    raise ValueError(
        "The picture says nothing of how it was made: no text of AUTOMATIC1111, Forge, ComfyUI or"
        " InvokeAI is in it. Sending or editing a picture often takes it away."
    )


def _of_object(values: Mapping[str, Any], model: Any, options: Mapping[str, Any]) -> Passport:
    """Return the passport of a JSON object: a workflow of either kind, or a scheduler config."""
    nodes = plain_values(graph_of(values))
    if nodes:
        return of_nodes(nodes, model, options)
    if "scheduler" in values and "steps" in values:
        return of_invoke(values, model, options)
    return passport("diffusers", model or of_config(values), **{"num_steps": 20, **options})


def of_nodes(
    nodes: list[tuple[str, dict[str, Any]]], model: Any, options: Mapping[str, Any]
) -> Passport:
    """Return the passport of a graph's first sampler, or of its scheduler node."""
    laid = next((v for _, v in nodes if "scheduler" in v and "steps" in v), None)
    if laid is None:
        raise ValueError(
            "The workflow has no node with a scheduler and steps that is known here: a KSampler or"
            " a BasicScheduler."
        )
    names = [str(values[key]) for _, values in nodes for key in _NAMED if values.get(key)]
    sampler = laid.get("sampler_name") or next(
        (values["sampler_name"] for _, values in nodes if values.get("sampler_name")), "euler"
    )
    shifts = [v for kind, v in nodes if kind.startswith("ModelSampling") and "shift" in v]
    shift = {"shift": _number(shifts[0], "shift")} if shifts else {}
    chosen = model or model_named(" ".join(names))
    said = {
        "scheduler": str(laid["scheduler"]),
        "num_steps": int(_number(laid, "steps")),
        "denoise": _number(laid, "denoise", 1.0),
        "sampler": str(sampler),
    }
    return passport("comfyui", chosen, **{**said, **shift, **options})


def of_infotext(text: str, model: Any, options: Mapping[str, Any]) -> Passport:
    """Return the passport of AUTOMATIC1111's or Forge's parameters text."""
    pairs = split(text).pairs
    if "Steps" not in pairs or "Sampler" not in pairs:
        raise ValueError("the text has no line such as 'Steps: 20, Sampler: Euler a, Seed: 7'.")
    forge = pairs.get("Version", "").startswith(("f", "neo"))
    sampler, schedule = pairs["Sampler"], pairs.get("Schedule type", "")
    for ending in ("Karras", "Exponential", "SGMUniform"):  # versions before 1.9 wrote one name
        if sampler.endswith(f" {ending}") and not schedule:
            sampler, schedule = sampler.removesuffix(f" {ending}"), ending
    said: dict[str, Any] = {
        "scheduler": schedule or None,
        "num_steps": int(_number(pairs, "Steps")),
        "denoise": _number(pairs, "Denoising strength", 1.0),
        "sampler": sampler,
    }
    if pairs.get("Discard penultimate sigma") == "True":
        said["discard_penultimate"] = True
    chosen = model or model_named(pairs.get("Model", ""))
    return passport("forge" if forge else "a1111", chosen, **{**said, **options})


def of_invoke(values: Mapping[str, Any], model: Any, options: Mapping[str, Any]) -> Passport:
    """Return the passport of InvokeAI's metadata."""
    about = values.get("model")
    if not isinstance(about, dict):
        raise ValueError(f"InvokeAI's metadata has no model, got {shown(about)}.")
    base = str(about.get("base", ""))
    chosen = model or model_named(f"{base} {about.get('name', '')}")
    if base == "sd-1" and not model:
        chosen = "sd15"
    scheduler = values.get("scheduler")
    said = {
        "scheduler": None if scheduler is None else str(scheduler),
        "num_steps": int(_number(values, "steps", 20)),
        "denoise": 1.0 if values.get("strength") is None else _number(values, "strength"),
    }
    return passport("invokeai", chosen, **{**said, **options})


def _number(values: Mapping[str, Any], name: str, usual: float | None = None) -> float:
    """Return a finite number that a file gives, or the usual one where it gives none.

    Raises:
        ValueError: If it gives something else.
    """
    given = values.get(name, usual)
    try:
        found = float(given)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"The file gives {shown(given)} as {name}, which is no number.")
    return found
