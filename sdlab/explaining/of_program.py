"""Makings of other programs: their files' values, their unsaid defaults, their noise levels."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sdlab.errors import SdlabError
from sdlab.explaining.making import Levels, Making
from sdlab.explaining.of_run import draws_noise, eta_of
from sdlab.explaining.programs import a1111, comfyui, invokeai
from sdlab.metadata.comfyui_graph import Graph, plain_values
from sdlab.metadata.found import SDLAB, Found
from sdlab.metadata.infotext import read_infotext, split
from sdlab.passports.passport import Passport, engine_named
from sdlab.passports.reading import of_infotext, of_invoke, of_nodes

if TYPE_CHECKING:
    from sdlab.experiment.experiment import Experiment

_FIELDS = (
    *("seed", "num_steps", "guidance_scale", "guidance_rescale", "eta", "width", "height"),
    *("prompt", "negative_prompt"),
)
_CUDA = (
    "Its start noise was drawn on a GPU: ours of the same seed has other numbers, so the picture"
    " will be another one by the same settings."
)


def of_parameters(text: str, name: str, image: bytes | None = None, model: Any = None) -> Making:
    """Return the making of a parameters text of AUTOMATIC1111, Forge or sdlab.

    Raises:
        ValueError: If it is none.
    """
    from sdlab.explaining.of_run import of_experiment

    found, pairs = read_infotext(text), split(text).pairs
    if found.program == SDLAB:
        return dataclasses.replace(of_experiment(found.experiment, name), image=image)
    facts = a1111.a1111_facts(pairs, str(found.fields.get("prompt", "")))
    taken = (*a1111.READ, *a1111.PATCHES)
    entries = {key: value for key, value in pairs.items() if key not in taken}
    return _made(name, found, facts, entries, lambda: of_infotext(text, model, {}), image)


def of_graph(graph: Graph, name: str, image: bytes | None = None, model: Any = None) -> Making:
    """Return the making of a graph of ComfyUI.

    Raises:
        ValueError: If it has no sampler that is known here.
    """
    from sdlab.metadata.others import of_graph as found_in

    found = found_in(graph)
    if found is None:
        raise ValueError(
            f"The workflow {name} has no sampler that is known here: no KSampler, and no"
            " BasicScheduler with a SamplerCustomAdvanced."
        )
    nodes = plain_values(graph)
    facts, entries = comfyui.comfyui_facts(nodes), comfyui.entries_of(nodes)
    return _made(name, found, facts, entries, lambda: of_nodes(nodes, model, {}), image)


def of_invokeai(
    values: Mapping[str, Any], name: str, image: bytes | None = None, model: Any = None
) -> Making:
    """Return the making of InvokeAI's metadata.

    Raises:
        ValueError: If a value is none that it could have.
    """
    found = Found("InvokeAI")
    named = {"positive_prompt": "prompt", "negative_prompt": "negative_prompt", "seed": "seed"}
    named |= {"steps": "num_steps", "cfg_scale": "guidance_scale", "width": "width"}
    named |= {"height": "height", "cfg_rescale_multiplier": "guidance_rescale"}
    for written, field in named.items():
        if values.get(written) is not None:
            found.take(field, values[written], written)
    found.take_sampler(str(values.get("scheduler") or "euler"))
    facts = invokeai.invokeai_facts(values)
    if facts["clip_skip"]:
        found.take("pipeline_options", {"clip_skip": facts["clip_skip"]}, "clip_skip")
    entries = invokeai.entries_of(values)
    return _made(name, found, facts, entries, lambda: of_invoke(values, model, {}), image)


def _made(
    name: str,
    found: Found,
    facts: dict[str, Any],
    entries: Mapping[str, str],
    passport: Callable[[], Passport],
    image: bytes | None,
) -> Making:
    facts |= {field: found.fields[field] for field in _FIELDS if field in found.fields}
    if "solver" in found.fields:
        facts["sampler"] = found.fields["solver"]
        facts["draws_noise"] = draws_noise(found.experiment)
        facts["eta"] = eta_of(found.experiment)
    elif "Sampler" in found.unknown:
        facts["sampler"] = found.unknown["Sampler"]
    made, refused = None, ""
    try:
        made = passport()
    except (ValueError, SdlabError) as error:
        refused = str(error)
    experiment, none = _experiment(found, made, facts)
    return Making(
        name=name,
        program=engine_named(made.engine).title if made else found.program,
        kind="workflow" if image is None else "picture",
        facts={key: value for key, value in facts.items() if value is not None},
        entries=entries,
        levels=levels_of(made) if made else None,
        no_levels=refused,
        experiment=experiment,
        no_experiment=none,
        short=_short(found, facts, made) if experiment else (),
        image=image,
    )


def levels_of(made: Passport) -> Levels:
    """Return the noise levels of a passport."""
    return Levels(made.path, made.sigmas, made.evaluations, made.noise_scale, made.source)


def _experiment(
    found: Found, made: Passport | None, facts: Mapping[str, Any]
) -> "tuple[Experiment | None, str]":
    """Return the experiment that comes nearest, over the very levels that the program ran."""
    if "Sampler" in found.unknown:
        return None, f"The sampler {found.unknown['Sampler']!r} has no counterpart here."
    if facts.get("denoise", 1.0) != 1.0:
        return None, "It changed a picture, and the file does not hold the picture it began with."
    exact = made is not None and made.path == "sigma" and made.sigmas[-1] == 0
    if made is not None and exact and made.steps and "solver" in found.fields:
        found.fields |= {
            "curve": "sigmas",
            "curve_options": {"sigmas": list(made.sigmas)},
            "num_steps": made.steps,
        }
    try:
        return found.experiment, ""
    except ValueError as error:
        return None, str(error)


def _short(found: Found, facts: Mapping[str, Any], made: Passport | None) -> tuple[str, ...]:
    """Return what the experiment does not reproduce."""
    short = [_CUDA] if facts["noise"] == "CUDA" else []
    if facts.get("draws_noise"):
        short.append("Its sampler draws noise on the way, from another generator than ours.")
    if made is not None and made.path == "flow":
        short.append("Its times of flow matching are those of the model that is loaded here.")
    for fact, says in (("loras", "LoRAs"), ("patches", "changes of the network")):
        if facts.get(fact):
            short.append(f"Its {says} are not applied: {facts[fact]}.")
    if facts.get("variation", "none") != "none":
        short.append(f"Its variation seed is not blended in: {facts['variation']}.")
    found.note_syntax()
    return tuple([*short, *found.notes])
