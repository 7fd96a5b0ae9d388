"""ComfyUI's graphs: one shape for both in which it saves them, and what their nodes say.

Its API writes nodes by id, each with a class and inputs, of which a list [id, slot] is another
node's output. Its interface writes a list of nodes whose values stand in the order of their fields;
the names of those are known here for the nodes that decide a picture.
"""

import json
from collections.abc import Mapping
from typing import Any

Graph = dict[str, dict[str, Any]]
"""Nodes by id: ``class_type`` and ``inputs``."""

_SAMPLING = ("steps", "cfg", "sampler_name", "scheduler")
_PICTURE = ("width", "height", "batch_size")
_CONTROL = "control_after_generate"  # the interface's own field behind a seed
WIDGETS = {
    "KSampler": ("seed", _CONTROL, *_SAMPLING, "denoise"),
    "KSamplerAdvanced": (
        *("add_noise", "noise_seed", _CONTROL, *_SAMPLING),
        *("start_at_step", "end_at_step", "return_with_leftover_noise"),
    ),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KSamplerSelect": ("sampler_name",),
    "RandomNoise": ("noise_seed", _CONTROL),
    "CFGGuider": ("cfg",),
    "FluxGuidance": ("guidance",),
    "RescaleCFG": ("multiplier",),
    "CLIPTextEncode": ("text",),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "EmptyLatentImage": _PICTURE,
    "EmptySD3LatentImage": _PICTURE,
    "ModelSamplingSD3": ("shift",),
    "ModelSamplingAuraFlow": ("shift",),
    "ModelSamplingFlux": ("max_shift", "base_shift", "width", "height"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name", "weight_dtype"),
}
"""The fields of nodes in the order in which the interface saves their values."""


def graph_of(values: Mapping[str, Any]) -> Graph:
    """Return the graph that a JSON object holds, saved either way; empty if it holds none.

    Nodes that are switched off are left out, and so are, of what the interface saved, the values
    of nodes that are not known here.
    """
    listed = values.get("nodes")
    if isinstance(listed, list):
        return _of_interface(listed, values.get("links"))
    nodes = {str(name): node for name, node in values.items() if isinstance(node, dict)}
    return {
        name: {"class_type": str(node["class_type"]), "inputs": node["inputs"]}
        for name, node in nodes.items()
        if isinstance(node.get("inputs"), dict) and "class_type" in node
    }


def plain_values(graph: Graph) -> list[tuple[str, dict[str, Any]]]:
    """Return the class of every node and those of its values that are no links."""
    return [
        (node["class_type"], {k: v for k, v in node["inputs"].items() if not isinstance(v, list)})
        for node in graph.values()
    ]


def links_of(graph: Graph) -> list[tuple[Any, ...]]:
    """Return what leads from node to node, as the drawing lists it; a kind is its input's name."""
    return [
        (0, source[0], source[1], name, 0, entry.upper())
        for name, node in graph.items()
        for entry, source in node["inputs"].items()
        if isinstance(source, list) and len(source) == 2
    ]


def first_text(graph: Graph, node: str, entry: str) -> str:
    """Return the first text that is found from an input of a node backwards; "" if none."""
    waiting, seen = [graph.get(node, {}).get("inputs", {}).get(entry)], set()
    while waiting:
        source = waiting.pop(0)
        if not (isinstance(source, list) and len(source) == 2) or str(source[0]) in seen:
            continue
        seen.add(str(source[0]))
        inputs = graph.get(str(source[0]), {}).get("inputs", {})
        if isinstance(inputs.get("text"), str):
            return str(inputs["text"]).strip()
        waiting += [value for name, value in inputs.items() if name not in ("clip", "model")]
    return ""


def graph_in(texts: Mapping[Any, Any]) -> Graph:
    """Return the graph that a picture's texts hold; empty if they hold none."""
    for key in ("prompt", "workflow"):
        try:
            values = json.loads(texts.get(key) or "null")
        except ValueError:
            continue
        if isinstance(values, dict) and (graph := graph_of(values)):
            return graph
    return {}


def _of_interface(listed: list[Any], links: Any) -> Graph:
    sources = {
        link[0]: [str(link[1]), link[2]]
        for link in (links if isinstance(links, list) else [])
        if isinstance(link, list) and len(link) >= 3 and isinstance(link[0], (int, str))
    }
    graph = {}
    for place, node in enumerate(listed):
        if isinstance(node, dict) and node.get("mode", 0) in (0, None):
            kind = str(node.get("type"))
            inputs = _widgets(kind, node.get("widgets_values")) | _linked(node, sources)
            graph[str(node.get("id", f"node {place}"))] = {"class_type": kind, "inputs": inputs}
    return graph


def _widgets(kind: str, values: Any) -> dict[str, Any]:
    if not isinstance(values, list):
        return {}
    return dict(zip(WIDGETS.get(kind, ()), values, strict=False))


def _linked(node: Mapping[str, Any], sources: Mapping[Any, Any]) -> dict[str, Any]:
    entries = node.get("inputs")
    return {
        str(entry["name"]): sources[entry["link"]]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("link"), (int, str))
        if "name" in entry and entry["link"] in sources
    }
