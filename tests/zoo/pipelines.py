"""Tiny pipelines of diffusers' classes, made by looking at what a class is built from.

A part is made by its name and by the class that the pipeline's signature says it is; a call's
arguments are chosen by their names. ``CHANGES`` has what a class needs beside.
"""

import importlib
import inspect
import pkgutil
import typing
import warnings

import diffusers
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from tests.conftest import make_pipeline
from tests.tracing import every_pipeline
from tests.tracing.pipelines import quiet, xl_components
from tests.zoo import texts
from tests.zoo.autoencoders import CONFIGS, autoencoder
from tests.zoo.changes import CHANGES, WORDS
from tests.zoo.left_out import why_not
from tests.zoo.networks import network


def every_class():
    """Return name -> class of all pipelines of diffusers."""
    found = {}
    root = diffusers.pipelines
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if "onnx" in module.name or module.name.endswith("_utils"):
                continue
            for name, cls in vars(importlib.import_module(module.name)).items():
                own = inspect.isclass(cls) and cls.__module__ == module.name
                if own and issubclass(cls, diffusers.DiffusionPipeline):
                    found[name] = cls
    return found


def build(name):
    """Return a tiny pipeline of a class, and what to call it with."""
    torch.manual_seed(0)
    cls = CLASSES[name]
    if name in WITH_U_NET:
        pipe, words = every_pipeline.build(cls, {**_unet_parts("XL" in name)})
        return pipe, {**words_of(cls, {}), **words}
    changes, words = changes_of(name)
    asked, parts = inspect.signature(cls.__init__).parameters, {}
    for part_name, parameter in list(asked.items())[1:]:
        allowed = kinds(parameter.annotation)
        asked_for = parameter.default is inspect.Parameter.empty or needed(part_name)
        if part_name in parts and allowed[0] not in texts.PROCESSORS:
            continue
        if asked_for or part_name in changes:
            parts |= part(part_name, allowed, changes.get(part_name, {}))
    parts |= {"requires_safety_checker": False}
    pipe = cls(**{key: value for key, value in parts.items() if key in asked})
    return quiet(pipe), words_of(cls, words)


def words_of(cls, words):
    """Return a call's arguments."""
    taken = inspect.signature(cls.__call__).parameters
    return {name: value for name, value in {**WORDS, **words}.items() if name in taken}


def _unet_parts(large):
    return xl_components() if large else make_pipeline().components


def needed(name):
    """Return whether a part that may be left out is made."""
    return name in ("transformer", "text_encoder_2", "tokenizer_2")


def changes_of(name):
    parts, words = {}, {}
    for beginning, (of_parts, of_call) in CHANGES.items():
        if name.startswith(beginning):
            words |= of_call
            for part_name, given in of_parts.items():
                before = parts.get(part_name)
                both = isinstance(before, dict) and isinstance(given, dict)
                parts[part_name] = {**before, **given} if both else given
    return parts, words


def kinds(annotation):
    """Return the names of the classes that an annotation allows."""
    if isinstance(annotation, str):
        return [word.strip() for word in annotation.split("|")]
    inner = [kind for given in typing.get_args(annotation) for kind in kinds(given)]
    return inner or [getattr(annotation, "__name__", str(annotation))]


def part(name, allowed, changes):
    """Return what one of the parameters needs, by name: itself and for words their tokenizer."""
    kind = next((kind for kind in allowed if kind in MADE), allowed[0])
    if isinstance(changes, dict) and "class" in changes:
        kind, changes = changes["class"], {k: v for k, v in changes.items() if k != "class"}
    if changes is None or not isinstance(changes, (dict, str)):
        return {name: changes}
    if "scheduler" in name:
        return {name: scheduler(allowed, changes)}
    if kind in texts.ENCODERS:
        encoder, tokenizer = texts.encoder(kind, **changes)
        words = name.replace("text_encoder", "tokenizer") if "text_encoder" in name else "tokenizer"
        return {name: encoder, words: tokenizer}
    if kind in texts.PROCESSORS:
        return {name: texts.processor(kind)}
    if kind in texts.VISION:
        return {name: texts.model(kind, {**texts.VISION[kind], **changes})}
    if "ImageProcessor" in kind:
        return {name: texts.pictures()}
    if kind in CONFIGS:
        return {name: autoencoder(kind, **changes)}
    if kind in NETWORK_KINDS:
        return {name: network(kind, **changes)}
    return {name: None}


def scheduler(allowed, changes):
    if isinstance(changes, str):
        allowed, changes = [changes], {}
    known = [kind for kind in allowed if hasattr(diffusers, kind)]
    if not known:
        return diffusers.DDIMScheduler(**changes)
    cls = getattr(diffusers, known[0])
    own = {"shift": 3.0} if cls is FlowMatchEulerDiscreteScheduler else {}
    return cls(**{**own, **changes})


NETWORK_KINDS = [
    name
    for name in dir(diffusers)
    if name.endswith(("Model", "UNet", "Transformer"))
    and "AutoencoderKL" not in name
    and name[0].isupper()
]
MADE = {*texts.ENCODERS, *texts.PROCESSORS, *texts.VISION, *CONFIGS, *NETWORK_KINDS}
CLASSES = every_class()
WITH_U_NET = every_pipeline.every_class()
WHY_NOT = {name: why_not(name, cls, WITH_U_NET) for name, cls in sorted(CLASSES.items())}
RUNS = [name for name, why in WHY_NOT.items() if why is None]
