"""What a pipeline can be given of an experiment, and what it draws from.

All by the signatures of its call and of its siblings' over the same parts.
"""

from functools import cache

from sdlab.experiment.pipeline_fields import PipelineFields
from sdlab.models.pipelines import call_parameters, siblings

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


def draws(cls: type, guided: bool) -> tuple[str, ...]:
    """Return what a class and its siblings draw from, in words.

    Args:
        cls: A pipeline's class.
        guided: Whether there is a ControlNet among its parts.
    """
    tasks = set(siblings(cls))
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
