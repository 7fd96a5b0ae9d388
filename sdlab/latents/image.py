"""Fits a user's pictures to a model's grid and encodes them to latents.

Files are read by ``read_image``, which stands in ``sdlab.image_files``.
"""

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from sdlab.errors import unknown
from sdlab.image_files import ReadImage, read_image

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.model import Model

__all__ = ["FITS", "ReadImage", "encode", "encode_with_notes", "fit", "read_image"]

FITS = ("crop", "pad")
Picture = ReadImage
"""Its name before 0.4."""


def fit(
    picture: ReadImage | Image.Image, width: int, height: int, how: str = "crop", multiple: int = 1
) -> ReadImage:
    """Return a picture brought to a size, with a note of what was done.

    Args:
        picture: As ``read_image`` returns it, or any RGB image.
        width: Pixels.
        height: Pixels.
        how: "crop" fills the frame and cuts off the rest, evenly at both ends; "pad" shows all of
            the picture and fills the rest with black.
        multiple: Width and height must be multiples of this: the model's ``vae_factor``.

    Raises:
        ValueError: If ``how`` is unknown or a side is no positive multiple; names the nearest.
    """
    if how not in FITS:
        raise ValueError(unknown("way to fit", how, FITS))
    for name, side in (("width", width), ("height", height)):
        _on_grid(name, side, multiple)
    given = picture if isinstance(picture, ReadImage) else ReadImage(picture.convert("RGB"))
    image = given.image
    if image.size == (width, height):
        return given
    if how == "crop":
        fitted = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
        same_shape = image.width * height == image.height * width
        word = "Resized" if same_shape else "Cropped and resized"
    else:
        scale = min(width / image.width, height / image.height)
        inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        small = image.resize(inner, Image.Resampling.LANCZOS)
        fitted = Image.new("RGB", (width, height))
        fitted.paste(small, ((width - inner[0]) // 2, (height - inner[1]) // 2))
        word = "Resized" if inner == (width, height) else "Resized and padded with black"
    note = f"{word} from {image.width} x {image.height} to {width} x {height} px."
    return replace(given, image=fitted, notes=(*given.notes, note))


def encode(
    model: "Model",
    picture: ReadImage | Image.Image,
    *,
    sample: bool = False,
    seed: int = 0,
) -> "Tensor":
    """Return the latents of a picture, float32 [1, C, h, w]; ``model.decode`` does the reverse.

    The VAE gives each latent pixel a Gaussian. Its mean, or a sample of it, is scaled for the
    network as the VAE's config says; see ``sdlab.models.latent_scale``. If the VAE overflows in
    half precision it encodes in float32 instead, with a warning.

    Args:
        model: Whose VAE encodes.
        picture: RGB, both sides multiples of ``model.vae_factor``; see ``fit``.
        sample: Whether to draw from the posterior instead of taking its mean.
        seed: Of that draw.

    Raises:
        ValueError: If a side is no multiple of the VAE's factor, or the latents are not finite even
            in float32.

    Reference: diffusers ``StableDiffusionImg2ImgPipeline.prepare_latents``; Rombach et al. 2022
    (arXiv 2112.10752), section 3.1.
    """
    latents, notes = encode_with_notes(model, picture, sample=sample, seed=seed)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return latents


def encode_with_notes(
    model: "Model", picture: ReadImage | Image.Image, *, sample: bool = False, seed: int = 0
) -> "tuple[Tensor, list[str]]":
    """Return what ``encode`` returns, with its warnings as a list of sentences."""
    import torch

    image = picture.image if isinstance(picture, ReadImage) else picture.convert("RGB")
    for name, side in (("width", image.width), ("height", image.height)):
        _on_grid(name, side, model.vae_factor)
    pixels = model.processor.preprocess(image)  # [1, 3, H, W] in -1 ... 1
    values, upcast = model.vae.encode(pixels, seed if sample else None)
    latents = model.vae.scaled(values.float())
    if not torch.isfinite(latents).all():
        raise ValueError(
            "The VAE makes numbers of this picture that are not finite, in float32 too. Its weights"
            " may be damaged; load the model again."
        )
    return latents, [model.vae.note] if upcast else []


def _on_grid(name: str, side: int, multiple: int) -> None:
    if side < multiple or side % multiple:
        down, up = side // multiple * multiple, (side // multiple + 1) * multiple
        near = str(up) if side < multiple else f"{down} or {up}"
        raise ValueError(f"{name} must be a multiple of {multiple}, got {side}; try {near}.")
