"""What every diffusers pipeline shows of itself: networks, parts, inputs, sizes, sibling classes.

Nothing is known of a single family here. The denoising networks stand under the names that
pipelines give them, a call's inputs are those of its signature, and the classes that draw after a
picture or inside a mask over the same parts are those that diffusers' AutoPipeline names.
"""

import copy
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sdlab.errors import ModelError
from sdlab.models.quiet import quiet

if TYPE_CHECKING:
    from torch import nn

NETWORKS = (
    "unet",
    "transformer",
    "transformer_2",
    "unconditional_transformer",
    "prior",
    "prior_prior",
    "decoder",
)
"""Names of denoising networks in pipelines, the main one first."""
AUTOENCODERS = ("vae", "vqvae", "movq", "vqgan")
"""Names of what turns latents into pixels."""
PLAIN = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
STABLE_DIFFUSION = {
    "text": "StableDiffusionPipeline",
    "image": "StableDiffusionImg2ImgPipeline",
    "inpaint": "StableDiffusionInpaintPipeline",
}
"""What AutoPipeline says of these; to ask it is to import forty families' pipelines: seconds."""
SD2_WIDTH = 1024
SIDE = 1024  # pixels, where a pipeline says nothing of its size
_BEGINNINGS = {  # of class names: what they are called here, where the lower-cased name is not it
    "StableDiffusionXL": "sdxl",
    "StableDiffusion3": "sd3",
    "Flux": "flux",
    "Flux2": "flux2",
    "QwenImage": "qwenimage",
    "ZImage": "zimage",
    "ErnieImage": "ernieimage",
    "GlmImage": "glmimage",
    "HunyuanImage": "hunyuanimage",
    "Wan": "wan",
}
_ENDINGS = (
    "Pipeline", "Img2Img", "Inpaint", "Inpainting", "ControlNet", "Control", "PAG", "Combined",
    "Prior", "Decoder", "Adapter", "TextToImage", "ImageToImage", "Image", "Text2Image",
)  # fmt: skip


def parts(pipeline: Any) -> "dict[str, nn.Module]":
    """Return a pipeline's modules by name, those that are there."""
    from torch import nn

    components = pipeline.components.items()
    return {name: part for name, part in components if isinstance(part, nn.Module)}


def networks(pipeline: Any) -> "dict[str, nn.Module]":
    """Return a pipeline's denoising networks by name, the main one first.

    Raises:
        ModelError: If there is none.
    """
    there = parts(pipeline)
    found = {name: there[name] for name in NETWORKS if name in there}
    if not found:
        name, listed = type(pipeline).__name__, ", ".join(there) or "no module"
        raise ModelError(
            f"{name} has no denoising network that is known: it has {listed}; looked for were"
            f" {', '.join(NETWORKS)}."
        )
    return found


def is_plain(pipeline: Any) -> bool:
    """Return whether a pipeline is Stable Diffusion 1.x or 2.x from words, four channels."""
    if type(pipeline).__name__ not in PLAIN:
        return False
    if getattr(pipeline, "text_encoder", None) is None or getattr(pipeline, "vae", None) is None:
        return False
    unet = getattr(pipeline.unet, "_orig_mod", pipeline.unet)
    config = unet.config
    return (
        type(unet).__name__ == "UNet2DConditionModel"
        and config.get("in_channels") == 4
        and not config.get("addition_embed_type")
        and not type(getattr(unet, "encoder_hid_proj", None)).__name__.startswith("MultiIP")
        and isinstance(config.get("cross_attention_dim"), int)
    )


def family(pipeline: Any) -> str:
    """Return a short name of a pipeline's family: "sd1", "sdxl", "flux", "qwenimage"."""
    found = class_family(type(pipeline).__name__)
    if found == "sd1" and hasattr(pipeline, "unet"):
        width = pipeline.unet.config.get("cross_attention_dim")
        return "sd2" if width == SD2_WIDTH else "sd1"
    return found


def class_family(name: str) -> str:
    """Return the family that a pipeline class is of, by its name; "sd1" for "sd2" too."""
    for start in sorted(_BEGINNINGS, key=len, reverse=True):
        if name.startswith(start):
            return _BEGINNINGS[start]
    if name.startswith("StableDiffusion"):
        return "sd1"
    while True:
        ending = next((e for e in _ENDINGS if name.endswith(e) and name != e), None)
        if ending is None:
            return name.lower()
        name = name.removesuffix(ending)


def siblings(cls: type) -> dict[str, type]:
    """Return the classes over the same parts by task: "text", "image", "inpaint".

    A class that diffusers names no siblings of stands for itself alone, by what it takes.
    """
    found = {task: sibling for task, sibling in _named(cls).items() if _fits(sibling, cls)}
    return {**found, _task(cls): cls}


def _named(cls: type) -> dict[str, type]:
    """Return the siblings that diffusers' AutoPipeline names, by task."""
    if cls.__name__ in STABLE_DIFFUSION.values() and cls.__module__.startswith("diffusers."):
        import diffusers

        return {task: getattr(diffusers, name) for task, name in STABLE_DIFFUSION.items()}
    from diffusers.pipelines import auto_pipeline as auto

    found = {}
    for task, mapping in (
        ("text", auto.AUTO_TEXT2IMAGE_PIPELINES_MAPPING),
        ("image", auto.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING),
        ("inpaint", auto.AUTO_INPAINT_PIPELINES_MAPPING),
    ):
        sibling = auto._get_task_class(mapping, cls.__name__, throw_error_if_not_exist=False)
        if sibling is not None:
            found[task] = sibling
    return found


def class_for(cls: type, *, image: bool, mask: bool) -> type:
    """Return the class of the same parts that takes a source picture, a mask, both or neither.

    Raises:
        ValueError: If there is none.
    """
    task = "inpaint" if mask else "image" if image else "text"
    found = siblings(cls)
    if task in found:
        return found[task]
    own = call_parameters(cls)
    taken = {"image": "image" in own, "mask": "mask_image" in own}
    if (not image or taken["image"]) and (not mask or taken["mask"]):
        return cls
    what, fix = {
        "inpaint": ("a mask", "leave mask_image out"),
        "image": ("a source picture", "leave image out"),
        "text": ("words alone", "give image=..."),
    }[task]
    raise ValueError(
        f"{cls.__name__} does not draw from {what}, and diffusers has no class that does over the"
        f" same parts; {fix}."
    )


def call_parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a pipeline class's call, without self."""
    found = dict(inspect.signature(cls.__call__).parameters)
    found.pop("self", None)
    return found


def over_parts(pipeline: Any, cls: type, scheduler: Any) -> Any:
    """Return a new pipeline of a class over the same parts, with schedulers of its own.

    A scheduler keeps what step it is at, so a second one (a prior's, an audio's) is copied too.

    Args:
        pipeline: Is not changed.
        cls: Its own class, or a sibling.
        scheduler: The new one's.

    Raises:
        ModelError: If a part is missing that the class must have.
    """
    parameters = dict(inspect.signature(cls.__init__).parameters)  # type: ignore[misc]
    given = {name: value for name, value in pipeline.config.items() if name in parameters}
    given |= {name: part for name, part in pipeline.components.items() if name in parameters}
    steppers = {name: part for name, part in given.items() if hasattr(part, "set_timesteps")}
    given |= {name: copy.deepcopy(part) for name, part in steppers.items()}
    given["scheduler"] = scheduler
    optional = getattr(cls, "_optional_components", [])
    given |= {name: None for name in optional if name in parameters and name not in given}
    missing = [
        name
        for name, parameter in parameters.items()
        if name != "self" and parameter.default is parameter.empty and name not in given
    ]
    if missing:
        raise ModelError(
            f"{cls.__name__} needs {', '.join(missing)}, which this {type(pipeline).__name__} has"
            " not."
        )
    with quiet():
        made = cls(**given)
    made.set_progress_bar_config(disable=True)
    return made


def autoencoder(pipeline: Any) -> Any:
    """Return what turns a pipeline's latents into pixels; None if they are pixels already."""
    found = (getattr(pipeline, name, None) for name in AUTOENCODERS)
    return next((part for part in found if part is not None), None)


def is_patched(pipeline: Any) -> bool:
    """Return whether its latents are patches of 2 x 2 latent pixels of the VAE (Ernie-Image).

    Where they are packed too (Flux.2), they are recorded as the VAE has them.
    """
    vae = autoencoder(pipeline)
    if not hasattr(vae, "bn") or hasattr(pipeline, "_unpack_latents_with_ids"):
        return False
    channels = getattr(next(iter(networks(pipeline).values())), "config", {}).get("in_channels")
    return bool(channels == 4 * vae.config.latent_channels)


def vae_factor(pipeline: Any) -> int:
    """Return the pixels per latent pixel, per side; 8 where a pipeline does not say."""
    for name in (
        "vae_scale_factor",
        "vae_scale_factor_spatial",
        "vae_spatial_compression_ratio",
        "movq_scale_factor",
    ):
        if isinstance(factor := getattr(pipeline, name, None), (int, float)):
            return int(factor)
    own = autoencoder(pipeline)
    if own is None:
        return 1
    config = own.config
    if config.get("up_down_scale_factor"):  # Cascade's VQGAN
        return int(config.up_down_scale_factor * 2 ** (config.levels - 1))
    return 8


def size_multiple(pipeline: Any) -> int:
    """Return what width and height must be multiples of."""
    for name in ("image_processor", "video_processor"):
        config = getattr(getattr(pipeline, name, None), "config", None)
        if config is not None and config.get("vae_scale_factor"):
            return int(config["vae_scale_factor"])
    return vae_factor(pipeline)


def latent_channels(pipeline: Any) -> int:
    """Return the channels of the latents, as the VAE has them."""
    if is_plain(pipeline):
        return int(pipeline.unet.config.in_channels)
    config = getattr(autoencoder(pipeline), "config", {})
    for entry in ("latent_channels", "z_dim", "vq_embed_dim"):
        if config.get(entry):
            return int(config[entry])
    network: Any = next(iter(networks(pipeline).values()))
    return int(network.config.get("in_channels") or 4)


def default_size(pipeline: Any) -> tuple[int, int]:
    """Return (width, height) in pixels that a pipeline draws if not told."""
    factor = vae_factor(pipeline)
    side = getattr(pipeline, "default_sample_size", None)
    if side is None:
        network = next(iter(networks(pipeline).values()))
        config: Any = getattr(network, "config", {})
        side = config.get("sample_size")
    if isinstance(side, (tuple, list)) and len(side) == 2:
        return int(side[1]) * factor, int(side[0]) * factor
    if isinstance(side, int):
        return side * factor, side * factor
    parameters = call_parameters(type(pipeline))
    told = [getattr(parameters.get(name), "default", None) for name in ("width", "height")]
    width, height = (value if isinstance(value, int) else SIDE for value in told)
    return width, height


def _task(cls: type) -> str:
    taken = call_parameters(cls)
    if "mask_image" in taken:
        return "inpaint"
    needs = "strength" in taken and "image" in taken
    return "image" if needs else "text"


def _fits(sibling: type, cls: type) -> bool:
    """Return whether a sibling is made of no more modules than a class."""
    has, optional = (set(inspect.signature(c.__init__).parameters) for c in (cls, sibling))  # type: ignore[misc]
    allowed = set(getattr(sibling, "_optional_components", []))
    parameters = inspect.signature(sibling.__init__).parameters  # type: ignore[misc]
    needed = {n for n in optional if parameters[n].default is inspect.Parameter.empty}
    return needed - allowed <= has
