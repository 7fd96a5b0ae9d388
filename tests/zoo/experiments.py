"""Experiments that ask of the engine what a pipeline of the zoo is called with."""

import inspect
from dataclasses import fields

import torch
from PIL import Image

from sdlab import Experiment

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
