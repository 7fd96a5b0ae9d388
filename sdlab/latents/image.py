"""Reads a user's pictures, fits them to a model's grid and encodes them to latents.

Read are PNG, JPEG, WebP, BMP, TIFF and GIF, up to 20 MB, 32 million pixels and 20,000 pixels a
side. The size is checked in the header, before anything is unpacked, so a small file that would
unpack to a hundred megapixels costs nothing. Of an animated or many-paged file the first picture is
used. Every change made on the way to 8-bit RGB (turned by EXIF, alpha laid on white, 16 bits
reduced to 8, ...) is noted in a sentence. Colours are converted to sRGB by the picture's profile,
and no metadata is kept.
"""

import io
import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps, UnidentifiedImageError

from sdlab.errors import unknown
from sdlab.latents.colour import to_srgb

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.models.model import Model

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
SUFFIXES = ("png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif")
MAX_BYTES = 20_000_000
MAX_PIXELS = 32_000_000
MAX_SIDE = 20_000
FITS = ("crop", "pad")

_READABLE = "PNG, JPEG, WebP, BMP, TIFF or GIF"
_ORIENTATION = 0x0112
# How files begin that are often mistaken for pictures, and what they are.
_OTHERS = (
    (b"%pdf", "a PDF document"),
    (b"pk\x03\x04", "a zip archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"8bps", "a Photoshop document"),
    (b"\x7felf", "a program"),
    (b"mz", "a program"),
)
_MAGIC = (b"\x89png", b"\xff\xd8\xff", b"gif8", b"riff", b"ii*\0", b"mm\0*")


@dataclass(frozen=True)
class Picture:
    """A picture ready for use, and what was done to it.

    Attributes:
        image: 8-bit RGB, without metadata.
        found: What the file was, such as "PNG, 640 x 480 px".
        notes: What was changed, a sentence each, in order.
    """

    image: Image.Image
    found: str = ""
    notes: tuple[str, ...] = ()


def read_image(data: bytes | str | os.PathLike[str]) -> Picture:
    """Return the picture in a file's bytes, or in a file, as 8-bit RGB.

    Args:
        data: The whole file as bytes, or its path.

    Raises:
        ValueError: If it is no picture in a format that is read, is damaged, or exceeds a limit;
            the message says what was found and what to do.
    """
    content = data if isinstance(data, bytes) else _file(Path(data))
    if not content:
        raise ValueError("The file is empty (0 bytes). Choose another, or save it again.")
    if len(content) > MAX_BYTES:
        raise ValueError(
            f"The file has {len(content) / 1e6:,.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB are read."
            " Save it smaller, or as JPEG."
        )
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        size = str(error).partition("(")[2].partition(" ")[0]
        raise ValueError(_too_large(f"{int(size):,}" if size.isdigit() else "far more")) from None
    except UnidentifiedImageError:
        raise ValueError(_no_picture(content)) from None
    except Exception as error:  # a hostile header makes Pillow raise nearly anything
        raise ValueError(_damaged("picture", error)) from error
    with image:
        return _read(image, content)


def fit(
    picture: Picture | Image.Image, width: int, height: int, how: str = "crop", multiple: int = 1
) -> Picture:
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
    given = picture if isinstance(picture, Picture) else Picture(picture.convert("RGB"))
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
    picture: Picture | Image.Image,
    *,
    sample: bool = False,
    seed: int = 0,
) -> "Tensor":
    """Return the latents of a picture, float32 [1, C, h, w]; ``model.decode`` does the reverse.

    The VAE gives each latent pixel a Gaussian. Its mean, or a sample of it, is scaled for the U-Net
    by the VAE's config: (z - shift_factor) * scaling_factor. If the VAE overflows in half precision
    it encodes in float32 instead, with a warning.

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
    model: "Model", picture: Picture | Image.Image, *, sample: bool = False, seed: int = 0
) -> "tuple[Tensor, list[str]]":
    """Return what ``encode`` returns, with its warnings as a list of sentences."""
    import torch

    image = picture.image if isinstance(picture, Picture) else picture.convert("RGB")
    for name, side in (("width", image.width), ("height", image.height)):
        _on_grid(name, side, model.vae_factor)
    pixels = model.pipeline.image_processor.preprocess(image)  # [1, 3, H, W] in -1 ... 1
    values, upcast = model.vae.encode(pixels, seed if sample else None)
    config = model.pipeline.vae.config
    latents = (values.float() - (config.get("shift_factor") or 0.0)) * config.scaling_factor
    if not torch.isfinite(latents).all():
        raise ValueError(
            "The VAE makes numbers of this picture that are not finite, in float32 too. Its weights"
            " may be damaged; load the model again."
        )
    return latents, [model.vae.note] if upcast else []


def _file(path: Path) -> bytes:
    try:
        with path.expanduser().open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error


def _read(image: Image.Image, content: bytes) -> Picture:
    kind, (width, height) = image.format or "?", image.size
    if width * height > MAX_PIXELS:
        raise ValueError(_too_large(f"{width:,} x {height:,} = {width * height:,}"))
    if max(width, height) > MAX_SIDE:
        raise ValueError(
            f"The picture has {width:,} x {height:,} pixels; at most {MAX_SIDE:,} a side are read."
            " Cut it first."
        )
    notes: list[str] = []
    try:
        _note_frames(image, notes)
        turned = _orientation(image)
        image.load()
        if turned:
            image = ImageOps.exif_transpose(image)
            notes.append(f"Turned upright by its EXIF orientation ({turned}).")
        rgb = _to_rgb(image, _sixteen_bits(image, content), notes)
    except _Refused as refusal:
        raise ValueError(str(refusal)) from None
    except Exception as error:  # a hostile file makes Pillow raise nearly anything
        raise ValueError(_damaged(f"{kind} of {width} x {height} px", error)) from error
    clean = Image.frombytes("RGB", rgb.size, rgb.tobytes())
    return Picture(clean, f"{kind}, {width} x {height} px", tuple(notes))


class _Refused(Exception):
    """An undamaged file whose kind is ambiguous as a picture."""


def _note_frames(image: Image.Image, notes: list[str]) -> None:
    if not getattr(image, "is_animated", False):
        return
    count = getattr(image, "n_frames", 2)
    image.seek(0)
    what = "pages" if image.format == "TIFF" else "pictures" if image.format == "MPO" else "frames"
    notes.append(f"The file holds {count:,} {what}; the first is used.")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation 2 ... 8, or 0 if it is upright or cannot be read."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a picture with broken EXIF can still be used
        return 0
    return value if value in range(2, 9) else 0


def _sixteen_bits(image: Image.Image, content: bytes) -> bool:
    """Return whether the file has 16 bits a channel; in colour Pillow silently drops 8 of them."""
    if image.format == "PNG":
        return content[24:25] == b"\x10"
    tags: Any = getattr(image, "tag_v2", {})
    return image.mode.startswith("I;16") or 16 in tuple(tags.get(258, ()))  # BitsPerSample


def _to_rgb(image: Image.Image, sixteen: bool, notes: list[str]) -> Image.Image:
    profile = image.info.get("icc_profile")
    if sixteen:
        notes.append("Reduced from 16 bits a channel to 8.")
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    if image.mode == "P":
        image = image.convert("RGBA")
        notes.append("Palette colours made RGB.")
    elif image.mode == "CMYK" and not profile:
        notes.append("CMYK made RGB without a colour profile, so colours may differ from print.")
    elif image.mode in ("1", "L", "LA"):
        notes.append("Grey made RGB.")
    image = to_srgb(_with_alpha(image), profile, notes)
    return _on_white(image.convert("RGBA"), notes) if "A" in image.mode else image.convert("RGB")


def _with_alpha(image: Image.Image) -> Image.Image:
    """Return a picture whose transparency, however stored, is an alpha channel."""
    plain = {"1": "L", "PA": "RGBA", "RGBa": "RGBA", "La": "LA"}.get(image.mode, image.mode)
    if "transparency" in image.info and plain in ("L", "RGB"):
        plain += "A"
    return image if plain == image.mode else image.convert(plain)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return 16-bit grey as 8-bit grey; Pillow's own conversion would clip at 255."""
    import numpy as np

    values = np.asarray(image)
    whole = values.dtype.kind in "iu" and 0 <= values.min() and values.max() <= 65535
    if not whole:
        raise _Refused(
            f"The picture has 32 bits a pixel (from {values.min():g} to {values.max():g}), and"
            " nothing says which value is white. Save it with 8 or 16 bits a channel."
        )
    return Image.fromarray(np.round(values / 257.0).astype(np.uint8))


def _on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    if image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    notes.append("Transparent parts laid on white.")
    return Image.alpha_composite(white, image).convert("RGB")


def _damaged(what: str, error: Exception) -> str:
    reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return (
        f"The file begins like a {what}, but it is damaged or cut off ({reason.rstrip('.')})."
        " Save or download it again."
    )


def _too_large(size: str) -> str:
    return (
        f"The picture has {size} pixels; at most {MAX_PIXELS:,} are read, which is about"
        " 6,500 x 4,900. Reduce it first."
    )


def _no_picture(content: bytes) -> str:
    head = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    found = next((what for start, what in _OTHERS if head.startswith(start)), "")
    if b"<svg" in head:
        found = "an SVG drawing, which is text and not pixels"
    elif head.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        found = "a web page (HTML)"
    elif content[4:8] == b"ftyp":
        found = f"of the {content[8:12].decode('latin-1').strip()!r} family (HEIC, AVIF or video)"
    elif not found and _is_text(content[:1024]):
        found = "text"
    if head.startswith(_MAGIC):
        return _damaged("picture", ValueError("its header makes no sense"))
    if found:
        return f"The file is {found}. Save the picture as {_READABLE}, and choose that."
    return (
        f"The file ({len(content):,} bytes, beginning {content[:4].hex(' ')}) is no picture that"
        f" can be read. Save it as {_READABLE}."
    )


def _is_text(start: bytes) -> bool:
    return all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in start)


def _on_grid(name: str, side: int, multiple: int) -> None:
    if side < multiple or side % multiple:
        down, up = side // multiple * multiple, (side // multiple + 1) * multiple
        near = str(up) if side < multiple else f"{down} or {up}"
        raise ValueError(f"{name} must be a multiple of {multiple}, got {side}; try {near}.")
