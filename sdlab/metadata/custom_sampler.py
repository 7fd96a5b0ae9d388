"""ComfyUI's sampler in parts: a graph of SamplerCustomAdvanced, scheduler, guider and noise.

sd-parsers knows samplers that hold all of it in one node. Here its parts are looked up by what they
hold, the first of each.
"""

from typing import Any

from sdlab.metadata.comfyui_graph import Graph, first_text, plain_values
from sdlab.metadata.found import Found

PARTS = (
    *("BasicScheduler", "KSamplerSelect", "RandomNoise", "CFGGuider", "BasicGuider"),
    *("SamplerCustom", "SamplerCustomAdvanced", "CLIPTextEncode"),
)
"""Nodes whose values are fields."""
_FIELDS = {"steps": "num_steps", "cfg": "guidance_scale", "noise_seed": "seed"}
_CONDITIONS = (("conditioning", "prompt"), ("positive", "prompt"), ("negative", "negative_prompt"))
_OF_INTERFACE = ("control_after_generate",)


def of_custom_sampler(graph: Graph) -> Found | None:
    """Return what a graph with a sampler in parts says; None if it has no scheduler with steps."""
    nodes = plain_values(graph)
    scheduler = next((values for _, values in nodes if {"scheduler", "steps"} <= set(values)), None)
    if scheduler is None:
        return None
    found = Found("ComfyUI")
    sampler = _first(nodes, "sampler_name")
    if sampler:
        found.take_sampler(str(sampler), str(scheduler["scheduler"]))
    for written, name in _FIELDS.items():
        value = scheduler.get(written, _first(nodes, written))
        if value is not None:
            found.take(name, value, written)
    if scheduler.get("denoise", 1) != 1:
        strength = scheduler["denoise"]
        found.leave("denoise", strength, f"It changed a picture, by a strength of {strength}.")
    _prompts(found, graph)
    _rest(found, nodes)
    return found


def _prompts(found: Found, graph: Graph) -> None:
    for entry, name in _CONDITIONS:
        for node in graph:
            if name not in found.fields and (text := first_text(graph, node, entry)):
                found.take(name, text, name)


def _rest(found: Found, nodes: list[tuple[str, dict[str, Any]]]) -> None:
    """Take size and model, and list what else the nodes hold."""
    width, height = _first(nodes, "width"), _first(nodes, "height")
    if isinstance(width, int) and isinstance(height, int):
        found.take_size(width, height)
    found.take_model(str(_first(nodes, "ckpt_name") or _first(nodes, "unet_name") or ""), "")
    for kind, values in nodes:
        for name, value in values.items():
            if kind not in PARTS and name not in ("width", "height", *_OF_INTERFACE):
                found.leave(f"{kind}.{name}", value)


def _first(nodes: list[tuple[str, dict[str, Any]]], name: str) -> Any:
    return next((values[name] for _, values in nodes if values.get(name) is not None), None)
