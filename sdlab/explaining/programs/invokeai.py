"""InvokeAI: what its metadata says beside the sampler's own values, and what it does unsaid.

Read in ``invokeai/app/invocations/noise.py`` (noise on the CPU by default since version 3) and
``denoise_latents.py``, versions 3 to 6.
"""

from collections.abc import Mapping
from typing import Any

WEIGHTS = "compel's, from the empty prompt's embedding, its own syntax word++"
READ = (
    *("positive_prompt", "negative_prompt", "width", "height", "seed", "rand_device", "cfg_scale"),
    *("cfg_rescale_multiplier", "steps", "scheduler", "clip_skip", "model", "vae", "loras"),
    *("strength", "app_version", "generation_mode", "guidance"),
)
"""Entries that are facts."""


def invokeai_facts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of InvokeAI's metadata, its defaults too."""
    strength = values.get("strength")
    facts: dict[str, Any] = {
        "noise": "CPU" if str(values.get("rand_device", "cpu")) == "cpu" else "CUDA",
        "batch_size": 1,
        "noise_place": 0,  # every picture of a batch has a seed of its own
        "step_noise": "a new generator of seed xor 0xFFFFFFFF, CPU",
        "weights": WEIGHTS,
        "clip_skip": _whole(values.get("clip_skip")),
        "denoise": float(strength) if isinstance(strength, (int, float)) else 1.0,
        "churn": 0.0,
        "vae": _named(values.get("vae")) or "the model's own",
        "loras": _loras(values.get("loras")),
        "variation": "none",
        "patches": "",
        "schedule": str(values.get("scheduler", "euler")),
    }
    named = {
        "model": _named(values.get("model")),
        "model_hash": _hash(values.get("model")),
        "version": values.get("app_version"),
        "distilled_guidance": values.get("guidance"),
    }
    return facts | {name: value for name, value in named.items() if value}


def entries_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the entries that no fact takes."""
    return {
        str(name): str(value)
        for name, value in values.items()
        if name not in READ and value not in (None, "", [], {})
    }


def _named(about: Any) -> str:
    if not isinstance(about, Mapping):
        return ""
    return str(about.get("name") or about.get("model_name") or "")


def _hash(about: Any) -> str:
    return str(about.get("hash") or "") if isinstance(about, Mapping) else ""


def _loras(listed: Any) -> str:
    held = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    return ", ".join(
        f"{_named(one.get('model') or one.get('lora'))} {one.get('weight', 1)}" for one in held
    )


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
