"""Pictures as PNG, and the parameters in its text as Stable Diffusion tools read and write them.

First the prompt, then "Negative prompt: ...", then one line of "Name: value" pairs under the key
``parameters``; a value with a comma, a colon or a line break is quoted as JSON. Numbers keep all
their digits, and the run's id comes last, so no two experiments have the same text. Samplers and
settings have AUTOMATIC1111's names where it has them.

That format cannot carry every prompt: lines lose the spaces around them, and one that begins with
"Negative prompt:" ends the prompt. So the experiment stands beside it as JSON, under ``sdlab``.
"""

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sdlab.sampler_names import web_ui_name

if TYPE_CHECKING:
    from PIL import Image, PngImagePlugin

KEY = "parameters"
WHOLE = "sdlab"
"""The key of the JSON: the parts of a run's manifest that say how to make it again."""
OF_MANIFEST = ("format", "id", "experiment", "width", "height", "model", "versions")
OF_DDIM = ("ddim", "DDIMScheduler")
FURTHER = {
    "strength": "Denoising strength",
    "image": "Source image",
    "mask_image": "Mask",
    "control_image": "Control image",
    "controlnet_conditioning_scale": "ControlNet scale",
    "prompt_2": "Prompt 2",
    "prompt_3": "Prompt 3",
    "negative_prompt_2": "Negative prompt 2",
    "negative_prompt_3": "Negative prompt 3",
    "true_cfg_scale": "True CFG scale",
    "max_sequence_length": "Max sequence length",
    "pipeline_options": "Pipeline options",
}
"""What the text calls the fields that experiments have only where they use them."""
LEVEL, QUICK_LEVEL = 4, 1
"""Of compression; at 6, zlib's own, a picture takes two to three times as long for 2 % less."""


def png_bytes(
    picture: "Image.Image", manifest: Mapping[str, Any] | None = None, *, quick: bool = False
) -> bytes:
    """Return a picture as a PNG file.

    Args:
        picture: Of any mode that PNG holds.
        manifest: A run's, whose parameters become the PNG's text; None for no text.
        quick: Whether to make it fast instead of small, for what is shown and not kept.
    """
    file = io.BytesIO()
    info = None if manifest is None else png_info(manifest)
    picture.save(file, "PNG", pnginfo=info, compress_level=QUICK_LEVEL if quick else LEVEL)
    return file.getvalue()


def png_info(manifest: Mapping[str, Any]) -> "PngImagePlugin.PngInfo":
    """Return the text chunks to save a run's picture with."""
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text(KEY, parameters(manifest))
    facts = {name: manifest[name] for name in OF_MANIFEST if name in manifest}
    info.add_text(WHOLE, json.dumps(facts, allow_nan=False))
    return info


def parameters(manifest: Mapping[str, Any]) -> str:
    """Return the parameters text of a run's manifest."""
    spec, model = manifest["experiment"], manifest["model"]
    pairs = {
        "Steps": spec["num_steps"],
        "Sampler": web_ui_name(spec["solver"]),
        "Sampler options": _json(spec["solver_options"]),
        "Schedule type": spec["curve"],
        "Schedule options": _json(spec["curve_options"]),
        "CFG scale": exact(spec["guidance_scale"]),
        "CFG Rescale": exact(spec["guidance_rescale"]) if spec["guidance_rescale"] else None,
        "Fast": "bfloat16" if spec.get("fast") else None,
        _eta(spec["solver"]): None if spec["eta"] is None else exact(spec["eta"]),
        "Seed": spec["seed"],
        "RNG": "CPU",
        "Clip skip": _clip_skip(spec.get("pipeline_options", {})),
        **_of_pipelines(spec),
        "Size": f"{manifest['width']}x{manifest['height']}",
        "Model hash": model["hash"],
        "Model": model["name"],
        "Version": f"sdlab {manifest['versions']['sdlab']}",
        "Run": manifest["id"],
    }
    lines = [spec["prompt"]]
    if spec["negative_prompt"]:
        lines.append(f"Negative prompt: {spec['negative_prompt']}")
    shown = (f"{name}: {_quote(value)}" for name, value in pairs.items() if value is not None)
    return "\n".join([*lines, ", ".join(shown)])


def _of_pipelines(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pairs of the fields that an experiment has only where it uses them."""
    pairs = {FURTHER[name]: spec[name] for name in FURTHER if name in spec}
    for name, value in pairs.items():
        if isinstance(value, Mapping):
            pairs[name] = value["hash"] if "hash" in value else _json(value)
        elif isinstance(value, float):
            pairs[name] = exact(value)
    return pairs


def exact(number: float) -> str:
    """Return a number with every digit that it takes, and no more: 7, 7.5, 0.30000000000000004."""
    value = float(number)
    return str(int(value)) if value.is_integer() else repr(value)


def _eta(solver: str) -> str:
    """Return what AUTOMATIC1111 calls eta: it has one for DDIM, and one for the other samplers."""
    return "Eta DDIM" if solver in OF_DDIM else "Eta"


def _clip_skip(options: Mapping[str, Any]) -> int | None:
    """Return how many last layers of CLIP are left out, counted from 1 as web UIs do."""
    skipped = options.get("clip_skip")
    return skipped + 1 if isinstance(skipped, int) else None


def _json(options: Mapping[str, Any]) -> str | None:
    return json.dumps(options, sort_keys=True, ensure_ascii=False) if options else None


def _quote(value: object) -> str:
    """Return a value as it stands in a pair; quoted it has no comma, at which some readers cut."""
    text = str(value)
    plain = not any(mark in text for mark in ',:\n"')
    return text if plain else json.dumps(text, ensure_ascii=False).replace(",", "\\u002c")
