"""ComfyUI: what its graph says beside the sampler's own values, and what it does unsaid.

Read in ``comfy/sample.py`` (``prepare_noise``), ``comfy/k_diffusion/sampling.py``
(``default_noise_sampler``) and ``comfy/sd1_clip.py`` at 311c0140.
"""

from collections.abc import Mapping
from typing import Any

WEIGHTS = "from the empty prompt's embedding towards the word's"
SAMPLERS = ("KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced")
_PATCHES = ("FreeU", "TomePatchModel", "HyperTile", "PerpNeg", "PatchModel", "Cache", "SelfAtt")
READ = (
    *("seed", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "denoise", "guidance"),
    *("text", "width", "height", "batch_size", "ckpt_name", "unet_name", "vae_name", "multiplier"),
    *("stop_at_clip_layer", "lora_name", "strength_model", "weight_dtype", "filename_prefix"),
    *("control_after_generate", "strength_clip", "noise", "id"),
)
"""Values of nodes that are facts, or do nothing to the picture."""

Nodes = list[tuple[str, dict[str, Any]]]


def comfyui_facts(nodes: Nodes) -> dict[str, Any]:
    """Return the facts of a graph.

    Args:
        nodes: The class of each, and its values.
    """
    sampler = _first(nodes, "sampler_name") or ""
    advanced = next((values for kind, values in nodes if kind == "KSamplerAdvanced"), {})
    facts: dict[str, Any] = {
        "noise": "CPU",
        "noise_place": 0,
        "batch_size": _first(nodes, "batch_size") or 1,
        "step_noise": _step_noise(str(sampler)),
        "weights": WEIGHTS,
        "clip_skip": _clip_skip(_first(nodes, "stop_at_clip_layer")),
        "denoise": float(_number(_first(nodes, "denoise"), 1.0)),
        "churn": 0.0,
        "vae": _first(nodes, "vae_name") or "the model's own",
        "loras": _loras(nodes),
        "variation": "none",
        "patches": _patched(nodes, advanced),
    }
    named = {"schedule": "scheduler", "distilled_guidance": "guidance", "dtype": "weight_dtype"}
    facts |= {name: value for name, key in named.items() if (value := _first(nodes, key))}
    model = _first(nodes, "ckpt_name") or _first(nodes, "unet_name")
    return facts | ({"model": str(model)} if model else {})


def entries_of(nodes: Nodes) -> dict[str, str]:
    """Return the values of nodes that no fact takes, by node and name."""
    return {
        f"{kind}.{name}": str(value)
        for kind, values in nodes
        for name, value in values.items()
        if name not in READ and value not in (None, "")
    }


def _step_noise(sampler: str) -> str:
    if "sde" in sampler:
        return f"a Brownian tree of the seed, {'CUDA' if sampler.endswith('_gpu') else 'CPU'}"
    return "a new generator of the seed, on the network's device"


def _clip_skip(layer: Any) -> int:
    """Return how many layers are left out: -1 is the last layer, -2 the one before."""
    return max(-layer - 1, 0) if isinstance(layer, int) else 0


def _loras(nodes: Nodes) -> str:
    held = [values for _, values in nodes if values.get("lora_name")]
    return ", ".join(f"{v['lora_name']} {v.get('strength_model', 1)}" for v in held)


def _patched(nodes: Nodes, advanced: Mapping[str, Any]) -> str:
    found = [kind for kind, _ in nodes if kind.startswith(_PATCHES)]
    start, end = advanced.get("start_at_step", 0), advanced.get("end_at_step", 10_000)
    if start or _number(end, 10_000) < _number(advanced.get("steps"), 0):
        found.append(f"steps {start} to {end} only")
    return ", ".join(found)


def _first(nodes: Nodes, name: str) -> Any:
    return next((values[name] for _, values in nodes if values.get(name) is not None), None)


def _number(value: Any, usual: float) -> float:
    return value if isinstance(value, (int, float)) else usual
