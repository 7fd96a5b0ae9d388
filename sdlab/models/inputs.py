"""What a pipeline can be given of an experiment, and what it draws from.

All by the signatures of its call and of its siblings' over the same parts.
"""

from functools import cache
from typing import Any

from sdlab.experiment.pipeline_fields import FURTHER_PROMPTS as PROMPTS
from sdlab.experiment.pipeline_fields import PipelineFields
from sdlab.models.pipelines import call_parameters, networks, siblings

OURS = (
    "generator", "latents", "num_inference_steps", "timesteps", "sigmas", "output_type",
    "return_dict", "callback", "callback_steps", "callback_on_step_end",
    "callback_on_step_end_tensor_inputs", "num_images_per_prompt", "num_videos_per_prompt",
)  # fmt: skip
"""Arguments that the engine decides, or that would make more than one picture."""
FIELDS = (
    "prompt", "negative_prompt", "guidance_scale", "guidance_rescale", "width", "height",
    *PipelineFields.LATER,
)  # fmt: skip
"""Fields of an experiment that some pipelines take and others do not."""
_NO_OPTIONS = ("eta", "mu")  # a field for every model; what the scheduler is told of the size
_NO_PLAIN_VALUES = ("embeds", "image", "kwargs", "latents")  # no JSON holds them
_TASKS = {"text": "from words", "image": "after a picture", "inpaint": "inside a mask"}
_MASKED_CHANNELS = {
    "StableDiffusionInpaintPipeline": (4, 9),
    "StableDiffusionXLInpaintPipeline": (4, 9),
    "StableDiffusion3InpaintPipeline": (16, 33),
}
"""Of the classes that draw inside a mask: what channels of its network each lets pass."""


@cache
def fields(cls: type) -> frozenset[str]:
    """Return the fields of an experiment that a class or a sibling takes, of ``FIELDS``."""
    found = {"pipeline_options"} if options(cls) else set()
    return frozenset(found.union(*(own_fields(one) for one in siblings(cls).values())))


@cache
def own_fields(cls: type) -> frozenset[str]:
    """Return those that the class itself takes."""
    taken, control = set(call_parameters(cls)), control_name(cls)
    taken = taken - {control} | ({"control_image"} if control else set())
    return frozenset(taken & set(FIELDS))


@cache
def options(cls: type) -> tuple[str, ...]:
    """Return the plain arguments of a class and its siblings that an experiment has no field for.

    They are for ``pipeline_options``.
    """
    names = {name for one in siblings(cls).values() for name in call_parameters(one)}
    names -= {*OURS, *FIELDS, *_NO_OPTIONS}
    return tuple(sorted(n for n in names if not any(part in n for part in _NO_PLAIN_VALUES)))


def without_effect(pipeline: Any) -> frozenset[str]:
    """Return the fields that a pipeline's classes take and its own parts cannot use.

    They are the prompts of a text encoder that it lacks, and a mask where the class for that
    refuses its network's channels.
    """
    found = {name for name in PROMPTS if lacked_encoder(pipeline, name)}
    if not _masks(pipeline):
        found.add("mask_image")
    return frozenset(found)


def lacked_encoder(pipeline: Any, name: str) -> str:
    """Return the text encoder that a further prompt is for, if a pipeline was loaded without it.

    Args:
        pipeline: A diffusers pipeline.
        name: One of ``PROMPTS``.
    """
    part = f"text_encoder_{name[-1]}"
    return part if pipeline.components.get(part, pipeline) is None else ""


def _masks(pipeline: Any) -> bool:
    """Return whether the class that draws inside a mask takes a pipeline's network."""
    cls = siblings(type(pipeline)).get("inpaint")
    passed = _MASKED_CHANNELS.get(cls.__name__) if cls is not None else None
    network = next(iter(networks(pipeline).values()))
    config = getattr(network, "config", {})
    return passed is None or config.get("in_channels", passed[0]) in passed


def draws(cls: type, guided: bool, masked: bool = True) -> tuple[str, ...]:
    """Return what a class and its siblings draw from, in words.

    Args:
        cls: A pipeline's class.
        guided: Whether there is a ControlNet among its parts.
        masked: Whether its network can draw inside a mask.
    """
    tasks = set(siblings(cls))
    if not masked:
        tasks.discard("inpaint")
    if "image" in call_parameters(cls) and not guided:
        tasks.add("image")
    if "prompt" not in fields(cls):
        tasks.discard("text")
    found = [words for task, words in _TASKS.items() if task in tasks]
    return (*found, "with its ControlNet") if guided else tuple(found)


def control_name(cls: type) -> str:
    """Return the argument that a ControlNet's picture is passed by; "" without a ControlNet."""
    taken = call_parameters(cls)
    if "control_image" in taken:
        return "control_image"
    led = "ControlNet" in cls.__name__ or "controlnet_conditioning_scale" in taken
    return "image" if led and "image" in taken else ""
