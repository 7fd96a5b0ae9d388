"""The family of a model in words, and what is told of one that draws from no words.

Every family runs. What is checked here is only what a name hides: a checkpoint or a folder that
says it draws from words, and whose U-Net waits for a picture too.
"""

from collections.abc import Mapping
from typing import Any

from sdlab.bounds import check_config
from sdlab.errors import ModelError
from sdlab.models.file_kinds import FAMILIES, Shapes, kind_of, missing_parts, part_of
from sdlab.models.pipelines import PLAIN

LABELS: Mapping[str, str] = {
    "sd1": "Stable Diffusion 1.x",
    "sd2": "Stable Diffusion 2.x",
    "sdxl": "Stable Diffusion XL",
    "sd3": "Stable Diffusion 3",
    "flux2": "Flux.2",
    "qwenimage": "Qwen-Image",
    "zimage": "Z-Image",
    "hunyuanimage": "HunyuanImage",
    "hunyuandit": "Hunyuan-DiT",
    "hidream": "HiDream",
    "pixartalpha": "PixArt-alpha",
    "pixartsigma": "PixArt-Sigma",
    "sanasprint": "Sana Sprint",
    "auraflow": "AuraFlow",
    "stablecascade": "Stable Cascade",
    "latentconsistencymodel": "Latent consistency model",
}
"""Families in words, where a family's own name is not the word."""

NEEDS_CONFIG = (
    "A file of another family than Stable Diffusion 1.x, 2.x and XL needs config=FOLDER: a folder"
    " of its pipeline with model_index.json, the configs and the tokenizers."
)

# Input channels of a U-Net, what such a model is, and the pipeline that gives it what it takes.
_CHANNELS = {
    9: (
        "an inpainting model (its U-Net also takes a mask and a masked picture)",
        "StableDiffusionInpaintPipeline",
    ),
    8: (
        "an InstructPix2Pix model (its U-Net also takes a source picture)",
        "StableDiffusionInstructPix2PixPipeline",
    ),
    5: (
        "a depth-to-image model (its U-Net also takes a depth map)",
        "StableDiffusionDepth2ImgPipeline",
    ),
    7: ("an upscaler (its U-Net also takes a small picture)", "StableDiffusionUpscalePipeline"),
}


def label(family: str) -> str:
    """Return a family in words."""
    return LABELS.get(family, family[:1].upper() + family[1:])


def check_scheduler(config: Mapping[str, Any], name: str) -> None:
    """Raise if an entry of a scheduler's config is out of its bounds.

    Args:
        config: ``scheduler/scheduler_config.json``.
        name: What the model is called in the message.

    Raises:
        ModelError: If one is not; the message says which.
    """
    try:
        check_config(config)
    except ValueError as error:
        raise ModelError(f"{name}: scheduler_config.json: {error}") from None


def check_words_only(class_name: str, unet: Mapping[str, Any], name: str) -> None:
    """Raise if a model is said to draw from words, and its U-Net takes more than latents.

    Args:
        class_name: Of its pipeline.
        unet: ``unet/config.json``.
        name: What the model is called in the message.

    Raises:
        ModelError: If so; the message says which class it needs.
    """
    what = _CHANNELS.get(unet.get("in_channels", 4))
    if class_name in PLAIN and what:
        raise ModelError(
            f"{name} is {what[0]}, but its model_index.json says {class_name}, which draws from"
            f" words. Change _class_name there to {what[1]}."
        )


def class_of_channels(channels: int, name: str) -> str:
    """Return the pipeline class of a Stable Diffusion file whose U-Net takes so many channels.

    Raises:
        ModelError: If there are no configs here for such a file.
    """
    if channels == 4:
        return "StableDiffusionPipeline"
    if channels in (8, 9):
        return _CHANNELS[channels][1]
    what = _CHANNELS[channels][0] if channels in _CHANNELS else "no Stable Diffusion known here"
    raise ModelError(
        f"{name} is {what}: {channels} input channels, not 4. Pass config=FOLDER, a folder of its"
        " pipeline with configs and tokenizer."
    )


def check_checkpoint(shapes: Shapes, name: str) -> int:
    """Return the cross-attention width of a whole checkpoint in the original (LDM) layout.

    Args:
        shapes: The shape of every tensor of the file, by key.
        name: What the file is called in the message.

    Raises:
        ModelError: If the file holds another family, a part of a model, or no model.
    """
    if what := kind_of(shapes):
        raise ModelError(f"{name} is {what}. {NEEDS_CONFIG}")
    _check_whole(shapes, name)
    widths = {
        shape[-1]
        for key, shape in shapes.items()
        if key.startswith("model.diffusion_model.") and key.endswith("attn2.to_k.weight")
    }
    if len(widths) != 1:
        raise ModelError(f"{name} has cross-attention widths {sorted(widths)}, not one.")
    return widths.pop()


def refuse_additions(shapes: Shapes, name: str) -> None:
    """Raise if a file changes a model or guides one, and is none itself.

    Raises:
        ModelError: The message says what it is.
    """
    what = kind_of(shapes)
    if what and what not in FAMILIES:
        raise ModelError(f"{name} is {what}. Load the model itself: a folder or a whole file.")


def _check_whole(shapes: Shapes, name: str) -> None:
    missing = missing_parts(shapes)
    if not missing:
        return
    part = part_of(shapes)
    if part:
        raise ModelError(
            f"{name} is a {part} alone, one component of a pipeline, not a whole model. Load the"
            " folder that holds model_index.json, or a whole checkpoint."
        )
    raise ModelError(
        f"{name} is no whole Stable Diffusion checkpoint in the original layout; it lacks:"
        f" {', '.join(missing)}. {NEEDS_CONFIG}"
    )
