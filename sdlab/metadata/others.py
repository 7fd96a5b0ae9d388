"""What ComfyUI, InvokeAI, Fooocus and NovelAI write into their pictures, read by sd-parsers.

ComfyUI stores its graph, in which that library looks for samplers and follows their inputs back to
prompts and model. Of a graph with several samplers the first is taken, which begins the picture.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sdlab.metadata.comfyui_graph import Graph, graph_in, links_of
from sdlab.metadata.custom_sampler import of_custom_sampler
from sdlab.metadata.found import Found

if TYPE_CHECKING:
    from PIL import Image
    from sd_parsers.data import PromptInfo, Sampler

FIELDS = {
    "steps": "num_steps",
    "cfg": "guidance_scale",
    "cfg_scale": "guidance_scale",
    "guidance_scale": "guidance_scale",
    "cfg_rescale_multiplier": "guidance_rescale",
    "seed": "seed",
    "noise_seed": "seed",
}
"""What those programs call a field."""
SIZE = ("width", "height")
NOT_LISTED = ("id", "app_version", "generation_mode")


def read_others(image: "Image.Image") -> Found | None:
    """Return what a picture says of how one of those programs made it; None if nothing."""
    info = _parsed(image)
    if info is None or not info.samplers:
        graph = graph_in(image.info)
        return of_custom_sampler(graph) if graph else None
    return _found(info)


def _found(info: "PromptInfo") -> Found:
    found = Found(info.generator.value)
    sampler, *later = info.samplers
    if later:
        names = ", ".join(one.name for one in later)
        found.leave("Further samplers", names, f"Only the first sampler is taken, not {names}.")
    _prompts(found, sampler)
    _parameters(found, sampler)
    _rest(found, info)
    if sampler.model is not None:
        found.take_model(sampler.model.name or "", sampler.model.hash or "")
    return found


def of_graph(graph: Graph) -> Found | None:
    """Return what one of ComfyUI's graphs says; None if it has no sampler."""
    info = _parsed_graph(graph)
    return _found(info) if info.samplers else of_custom_sampler(graph)


def _parsed_graph(graph: Graph) -> "PromptInfo":
    from sd_parsers.parsers import ComfyUIParser

    return ComfyUIParser().parse({"prompt": graph, "workflow": {"links": links_of(graph)}})


def _parsed(image: "Image.Image") -> "PromptInfo | None":
    from sd_parsers import ParserManager
    from sd_parsers.parsers import ComfyUIParser, FooocusParser, InvokeAIParser, NovelAIParser

    if "prompt" in image.info and "workflow" not in image.info:  # as other programs save it
        graph = graph_in(image.info)
        if graph:
            return _parsed_graph(graph)
    parsers = [FooocusParser, ComfyUIParser, InvokeAIParser, NovelAIParser]
    return ParserManager(managed_parsers=parsers).parse(image)


def _prompts(found: Found, sampler: "Sampler") -> None:
    """Take the prompts; several of one sampler are joined, as sd-parsers does."""
    for name, prompts in (
        ("prompt", sampler.prompts),
        ("negative_prompt", sampler.negative_prompts),
    ):
        found.take(name, ", ".join(prompt.value for prompt in prompts), name)


def _parameters(found: Found, sampler: "Sampler") -> None:
    values = dict(sampler.parameters)
    found.take_sampler(str(sampler.name), str(values.pop("scheduler", "") or ""))
    strength = values.pop("denoise", 1)
    if strength != 1:
        found.leave("denoise", strength, f"It changed a picture, by a strength of {strength}.")
    for written, value in values.items():
        if written in FIELDS:
            found.take(FIELDS[written], value, written)
        else:
            found.leave(written, value)


def _rest(found: Found, info: "PromptInfo") -> None:
    """Take the size, wherever it stands, and list all else."""
    rest = _flat(info.metadata)
    size = {side: next((v for n, v in rest.items() if n.endswith(side)), None) for side in SIZE}
    if all(isinstance(side, int) for side in size.values()):
        found.take_size(*size.values())
    for written, value in rest.items():
        if written.rpartition(".")[2] not in (*SIZE, *NOT_LISTED) and value not in (None, "", []):
            found.leave(
                written, value if isinstance(value, str) else json.dumps(value, default=str)
            )


def _flat(metadata: Mapping[Any, Any]) -> dict[str, Any]:
    """Return entries by name; those of ComfyUI's nodes by node and name."""
    found: dict[str, Any] = {}
    for name, value in metadata.items():
        nodes = value if isinstance(value, list) else [value]
        if all(isinstance(node, Mapping) for node in nodes):
            for node in nodes:
                found |= {f"{name}.{entry}": inner for entry, inner in node.items()}
        else:
            found[str(name)] = value
    return found
