"""Experiments that ask of the engine what a pipeline of the zoo is called with."""

import functools
import inspect
from dataclasses import fields

import torch
from PIL import Image

from sdlab import Experiment
from sdlab.models import pipelines
from sdlab.sampling.pipeline_call import fresh

FIELDS = {field.name for field in fields(Experiment)}
NOT_ASKED = ("num_inference_steps", "output_type", "num_frames", "image_embeds")


class NotAsked(Exception):
    """An experiment holds no such argument: numbers in the place of words or pictures."""


def experiment(pipe, arguments, seed=0):
    """Return the experiment for a call.

    Raises:
        NotAsked: If an argument is one that no experiment holds; says which.
    """
    own = type(pipe.scheduler).__name__
    steps = arguments.get("num_inference_steps", 2)
    given = {"prompt": "a red car", "solver": own, "num_steps": steps, "seed": seed}
    options = {}
    for name, value in arguments.items():
        if name in NOT_ASKED and not isinstance(value, torch.Tensor):
            continue
        if name in ("prompt", "negative_prompt") and value is None:
            continue
        if name in FIELDS:
            given[_field(pipe, name, arguments)] = value
        elif _held(value):
            raise NotAsked(name)
        else:
            options[name] = value
    return Experiment(**given, pipeline_options=options)


def _field(pipe, name, arguments):
    """Return a call's argument under the experiment's name: a ControlNet's picture has its own."""
    led = "controlnet_conditioning_scale" in inspect.signature(type(pipe).__call__).parameters
    return "control_image" if name == "image" and led and "control_image" not in arguments else name


def _held(value):
    """Return whether a value is a tensor or a picture, or holds some."""
    values = value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(one, (torch.Tensor, Image.Image, list)) for one in values)


def by_hand(pipe, asked, call):
    """Return the picture of a call made by hand, and how many steps its scheduler made."""
    pipe = pipelines.over_parts(pipe, call.cls, fresh(call))
    step, steps = pipe.scheduler.step, []

    @functools.wraps(step)
    def counted(*args, **kwargs):
        steps.append(args)
        return step(*args, **kwargs)

    pipe.scheduler.step = counted
    with torch.random.fork_rng():
        torch.manual_seed(asked.seed)
        made = pipe(**call.given(asked, torch.Generator().manual_seed(asked.seed)))
    picture = next(iter(made.values()))
    while isinstance(picture, (list, tuple)):
        picture = picture[0]
    return picture, len(steps)
