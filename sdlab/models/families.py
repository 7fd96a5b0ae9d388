"""The family of a model, found from its configs or a file's keys, and whether sdlab runs it.

The laboratory runs the two families that share one architecture: Stable Diffusion 1.x (CLIP's own
text encoder, 768 wide) and 2.x (OpenCLIP's, 1024 wide), each with a U-Net of four latent channels.
The embedded model is a small one of the first kind. Everything else is refused with its name, so
that the user learns what it is, not which tensor failed to load.
"""

from collections.abc import Mapping
from typing import Any

from sdlab.bounds import check_config
from sdlab.errors import ModelError
from sdlab.models.file_kinds import Shapes, kind_of, missing_parts, part_of

RUNS = "This laboratory runs text-to-image models of the Stable Diffusion 1.x and 2.x families."
# Said of families that ``sdlab.trace`` can record, though the engine does not run them.
TRACED = "Its own pipeline can be recorded: with sdlab.trace(pipe) as t: pipe(...)."
PIPELINES = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
SD2_WIDTH = 1024

# The beginning of a diffusers pipeline's class name, longest first, and what that family is called.
_CLASSES = {
    "StableDiffusionXL": "Stable Diffusion XL",
    "StableDiffusion3": "Stable Diffusion 3",
    "StableDiffusionInpaint": "Stable Diffusion inpainting",
    "StableDiffusionControlNet": "Stable Diffusion with a ControlNet",
    "StableDiffusionInstructPix2Pix": "InstructPix2Pix",
    "StableDiffusionDepth2Img": "Stable Diffusion depth-to-image",
    "StableDiffusionUpscale": "the Stable Diffusion upscaler",
    "StableDiffusionLatentUpscale": "the Stable Diffusion latent upscaler",
    "StableCascade": "Stable Cascade",
    "Flux": "Flux",
    "PixArt": "PixArt",
    "Kandinsky": "Kandinsky",
    "AnimateDiff": "AnimateDiff",
    "Wan": "Wan",
}

# Those of the above that ``sdlab.trace`` reads.
_TRACED = (
    "StableDiffusionXL",
    "StableDiffusionInpaint",
    "StableDiffusionControlNet",
    "StableDiffusionDepth2Img",
    "StableDiffusionUpscale",
)

# Input channels of a U-Net, other than four, and what such a model is.
_CHANNELS = {
    9: "an inpainting model (its U-Net also takes a mask and a masked picture)",
    8: "an InstructPix2Pix model (its U-Net also takes a source picture)",
    5: "a depth-to-image model (its U-Net also takes a depth map)",
    7: "an upscaler (its U-Net also takes a small picture)",
}


def check_class(class_name: object, name: str) -> None:
    """Raise unless a class name is that of a pipeline that sdlab runs.

    Args:
        class_name: ``_class_name`` of ``model_index.json``, or the name of an object's class.
        name: What the model is called in the message.

    Raises:
        ModelError: If it is another family; the message says which.
    """
    if class_name in PIPELINES:
        return
    if not isinstance(class_name, str):
        raise ModelError(f"{name} asks for a pipeline class of its own, {class_name!r}. {RUNS}")
    for start in sorted(_CLASSES, key=len, reverse=True):
        if class_name.startswith(start):
            also = f" {TRACED}" if start in _TRACED and "Pix2Pix" not in class_name else ""
            raise ModelError(f"{name} is {_CLASSES[start]} ({class_name}). {RUNS}{also}")
    raise ModelError(f"{name} is a {class_name}. {RUNS}")


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


def check_unet(config: Mapping[str, Any], name: str) -> str:
    """Return the family, "sd1" or "sd2", of a U-Net's config.

    Args:
        config: ``unet/config.json`` or ``pipeline.unet.config``.
        name: What the model is called in the message.

    Raises:
        ModelError: If the U-Net is none that this laboratory can drive.
    """
    kind = config.get("_class_name", "UNet2DConditionModel")
    if kind != "UNet2DConditionModel":
        raise ModelError(f"{name} has a {kind} in place of a UNet2DConditionModel. {RUNS}")
    if config.get("addition_embed_type"):
        raise ModelError(f"{name} is Stable Diffusion XL, by its U-Net's config. {RUNS} {TRACED}")
    channels = config.get("in_channels", 4)
    if channels != 4:
        what = _CHANNELS.get(channels, "no plain text-to-image model")
        also = f" {TRACED}" if channels == 9 else ""
        raise ModelError(f"{name} is {what}: {channels} input channels, not 4. {RUNS}{also}")
    width = config.get("cross_attention_dim", 1280)
    if not isinstance(width, int):
        raise ModelError(f"{name} has several cross-attention widths, {width}. {RUNS}")
    return "sd2" if width == SD2_WIDTH else "sd1"


def family(pipeline: Any, name: str = "This pipeline") -> str:
    """Return the family, "sd1" or "sd2", of a diffusers pipeline in memory.

    Raises:
        ModelError: If it is a family that this laboratory does not run.
    """
    check_class(type(pipeline).__name__, name)
    return check_unet(pipeline.unet.config, name)


def check_checkpoint(shapes: Shapes, name: str) -> int:
    """Return the cross-attention width of a whole checkpoint in the original (LDM) layout.

    Args:
        shapes: The shape of every tensor of the file, by key.
        name: What the file is called in the message.

    Raises:
        ModelError: If the file holds another family, a part of a model, or no model.
    """
    what = kind_of(shapes)
    if what:
        also = f" {TRACED}" if what == "Stable Diffusion XL" else ""
        raise ModelError(f"{name} is {what}. {RUNS}{also}")
    _check_whole(shapes, name)
    channels = shapes["model.diffusion_model.input_blocks.0.0.weight"][1]
    widths = {
        shape[-1]
        for key, shape in shapes.items()
        if key.startswith("model.diffusion_model.") and key.endswith("attn2.to_k.weight")
    }
    if len(widths) != 1:
        raise ModelError(f"{name} has cross-attention widths {sorted(widths)}, not one. {RUNS}")
    check_unet({"in_channels": channels}, name)
    return widths.pop()


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
        f" {', '.join(missing)}. {RUNS}"
    )
