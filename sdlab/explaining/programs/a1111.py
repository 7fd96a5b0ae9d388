"""AUTOMATIC1111's web UI, and Forge, which kept its settings: what its parameters text leaves out.

Read in ``modules/processing.py`` (``create_infotext``), ``modules/rng.py`` and
``modules/sd_hijack_clip.py`` at 02b0092d. A setting at its default is not written, so its absence
says the default.
"""

import re
from collections.abc import Mapping
from typing import Any

WEIGHTS = "multiplied into the embedding, whose mean is then restored"
_DEVICES = {"GPU": "CUDA", "NV": "CUDA", "CPU": "CPU"}
_LORA = re.compile(r"<(?:lora|lyco):([^:<>]+)(?::([^<>]*))?>")
_CHURN = "Sigma churn"
READ = (
    *("Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model", "Model hash"),
    *("RNG", "ENSD", "Clip skip", "Eta", "Eta DDIM", "Denoising strength", "Variation seed"),
    *("Variation seed strength", "Batch size", "Batch pos", "VAE", "VAE hash", "Version", _CHURN),
    *("Lora hashes", "Discard penultimate sigma", "CFG Rescale"),
)
"""Pairs of its text that are facts."""
PATCHES = (
    *("Token merging ratio", "Token merging ratio hr", "NGMS", "FreeU Stages", "Hypernet"),
    *("Dynamic thresholding enabled", "HyperTile U-Net", "Refiner"),
)
"""Pairs that say what changes the network while it runs."""


def a1111_facts(pairs: Mapping[str, str], prompt: str) -> dict[str, Any]:
    """Return the facts of a parameters text, its defaults too.

    Args:
        pairs: Of its last line.
        prompt: As it was typed.
    """
    device = _DEVICES.get(pairs.get("RNG", "GPU"), "CUDA")
    ensd = pairs.get("ENSD", "0")
    facts: dict[str, Any] = {
        "noise": device,
        "noise_place": 0,  # every picture of a batch has a seed of its own
        "batch_size": _whole(pairs.get("Batch size"), 1),
        "step_noise": f"a generator of seed + {ensd}" if ensd != "0" else "the start's generator",
        "weights": WEIGHTS,
        "clip_skip": max(_whole(pairs.get("Clip skip"), 1) - 1, 0),
        "denoise": _real(pairs.get("Denoising strength"), 1.0),
        "churn": _real(pairs.get(_CHURN), 0.0),
        "guidance_rescale": 0.0,  # an extension's
        "vae": pairs.get("VAE") or pairs.get("VAE hash") or "the model's own",
        "loras": _loras(prompt),
        "variation": _variation(pairs),
        "patches": ", ".join(f"{name} {pairs[name]}" for name in PATCHES if name in pairs),
        "schedule": pairs.get("Schedule type", "Automatic"),
    }
    facts["step_noise"] += f", {device}"
    named = {"model": "Model", "model_hash": "Model hash", "version": "Version"}
    facts |= {name: pairs[written] for name, written in named.items() if pairs.get(written)}
    return facts


def _loras(prompt: str) -> str:
    return ", ".join(f"{name} {strength or '1'}" for name, strength in _LORA.findall(prompt))


def _variation(pairs: Mapping[str, str]) -> str:
    if "Variation seed" not in pairs:
        return "none"
    return f"{pairs['Variation seed']} by {pairs.get('Variation seed strength', '0')}"


def _whole(text: str | None, usual: int) -> int:
    return int(text) if text is not None and text.isdecimal() else usual


def _real(text: str | None, usual: float) -> float:
    try:
        return float(text) if text is not None else usual
    except ValueError:
        return usual
