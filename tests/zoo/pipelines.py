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

from tests.tracing.pipelines import quiet
from tests.zoo import texts
from tests.zoo.autoencoders import CONFIGS, autoencoder
from tests.zoo.changes import CHANGES, WORDS
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
    changes, words = changes_of(name)
    parts = {}
    for name, parameter in inspect.signature(cls.__init__).parameters.items():
        if name == "self" or name in parts:
            continue
        made = part(name, kinds(parameter.annotation), changes.get(name, {}))
        if made is not None:
            parts |= made if isinstance(made, dict) else {name: made}
        elif parameter.default is inspect.Parameter.empty:
            parts[name] = None
    if "requires_safety_checker" in inspect.signature(cls.__init__).parameters:
        parts["requires_safety_checker"] = False
    asked = inspect.signature(cls.__call__).parameters
    return quiet(cls(**parts)), {k: v for k, v in {**WORDS, **words}.items() if k in asked}


def changes_of(name):
    parts, words = {}, {}
    for beginning, (of_parts, of_call) in CHANGES.items():
        if name.startswith(beginning):
            parts |= of_parts
            words |= of_call
    return parts, words


def kinds(annotation):
    """Return the names of the classes that an annotation allows."""
    if isinstance(annotation, str):
        return [word.strip() for word in annotation.split("|")]
    inner = [kind for given in typing.get_args(annotation) for kind in kinds(given)]
    return inner or [getattr(annotation, "__name__", str(annotation))]


def part(name, allowed, changes):
    """Return a part, or several by name, or None where none is made."""
    if changes is None:
        return None
    kind = allowed[0]
    if "scheduler" in name:
        return scheduler(allowed, changes)
    if name.startswith("text_encoder"):
        encoder, tokenizer = texts.encoder(kind, **changes)
        return {name: encoder, name.replace("text_encoder", "tokenizer"): tokenizer}
    if kind in CONFIGS:
        return autoencoder(kind, **changes)
    if hasattr(diffusers, kind) and name.startswith(("transformer", "unet", "controlnet")):
        return network(kind, **changes)
    return None


def scheduler(allowed, changes):
    if isinstance(changes, str):
        allowed, changes = [changes], {}
    known = [kind for kind in allowed if hasattr(diffusers, kind)]
    if not known:
        return diffusers.DDIMScheduler(**changes)
    cls = getattr(diffusers, known[0])
    own = {"shift": 3.0} if cls is FlowMatchEulerDiscreteScheduler else {}
    return cls(**{**own, **changes})


NETWORKS = ("unet", "transformer", "transformer_2", "prior", "decoder")
CLASSES = every_class()
RUNS = (
    "AuraFlowPipeline",
    "BriaFiboPipeline",
    "BriaPipeline",
    "ChromaImg2ImgPipeline",
    "ChromaPipeline",
    "CogView3PlusPipeline",
    "CogView4ControlPipeline",
    "CogView4Pipeline",
    "Flux2KleinInpaintPipeline",
    "Flux2KleinKVPipeline",
    "Flux2KleinPipeline",
    "Flux2Pipeline",
    "FluxControlImg2ImgPipeline",
    "FluxControlInpaintPipeline",
    "FluxControlNetImg2ImgPipeline",
    "FluxControlNetInpaintPipeline",
    "FluxControlNetPipeline",
    "FluxControlPipeline",
    "FluxFillPipeline",
    "FluxImg2ImgPipeline",
    "FluxInpaintPipeline",
    "FluxKontextInpaintPipeline",
    "FluxKontextPipeline",
    "FluxPipeline",
    "HiDreamImagePipeline",
    "HunyuanDiTControlNetPipeline",
    "HunyuanDiTPAGPipeline",
    "HunyuanDiTPipeline",
    "HunyuanVideoPipeline",
    "LTXConditionPipeline",
    "LTXI2VLongMultiPromptPipeline",
    "LTXImageToVideoPipeline",
    "LTXPipeline",
    "Lumina2Pipeline",
    "LuminaPipeline",
    "MochiPipeline",
    "PixArtAlphaPipeline",
    "PixArtSigmaPAGPipeline",
    "PixArtSigmaPipeline",
    "QwenImageControlNetInpaintPipeline",
    "QwenImageControlNetPipeline",
    "QwenImageImg2ImgPipeline",
    "QwenImageInpaintPipeline",
    "QwenImagePipeline",
    "SanaControlNetPipeline",
    "SanaPAGPipeline",
    "SanaPipeline",
    "SanaSprintImg2ImgPipeline",
    "SanaSprintPipeline",
    "StableDiffusion3ControlNetInpaintingPipeline",
    "StableDiffusion3ControlNetPipeline",
    "StableDiffusion3Img2ImgPipeline",
    "StableDiffusion3InpaintPipeline",
    "StableDiffusion3PAGImg2ImgPipeline",
    "StableDiffusion3PAGPipeline",
    "StableDiffusion3Pipeline",
    "WanImageToVideoPipeline",
    "WanPipeline",
    "WanVACEPipeline",
    "WanVideoToVideoPipeline",
    "ZImageControlNetPipeline",
    "ZImageImg2ImgPipeline",
    "ZImageInpaintPipeline",
    "ZImagePipeline",
)
