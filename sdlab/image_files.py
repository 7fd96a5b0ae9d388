"""Reads a user's pictures, from files and from Pillow, as 8-bit RGB.

Read are PNG, JPEG, WebP, BMP, TIFF and GIF, up to 20 MB, 32 million pixels and 20,000 pixels a
side. The size is checked in the header, before anything is unpacked, so a small file that would
unpack to a hundred megapixels costs nothing. Of an animated or many-paged file the first picture is
used. Every change made on the way to 8-bit RGB (turned by EXIF, alpha laid on white, 16 bits
reduced to 8, ...) is noted in a sentence. Colours are converted to sRGB by the picture's profile,
and no metadata is kept.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from sdlab.colour_profiles import to_srgb
from sdlab.errors import shown

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
SUFFIXES = ("png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif")
MAX_BYTES = 20_000_000
MAX_PIXELS = 32_000_000
MAX_SIDE = 20_000

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
class ReadImage:
    """A picture ready for use, and what was done to it.

    Attributes:
        image: 8-bit RGB, without metadata.
        found: What the file was, such as "PNG, 640 x 480 px".
        notes: What was changed, a sentence each, in order.
    """

    image: Image.Image
    found: str = ""
    notes: tuple[str, ...] = ()


def read_image(data: bytes | str | os.PathLike[str]) -> ReadImage:
    """Return the picture in a file's bytes, or in a file, as 8-bit RGB.

    Args:
        data: The whole file as bytes, or its path.

    Raises:
        ValueError: If it is no picture in a format that is read, is damaged, or exceeds a limit;
            the message says what was found and what to do.
    """
    content = content_of(data)
    with open_image(content) as image:
        return _read(image, content)


def content_of(data: bytes | str | os.PathLike[str]) -> bytes:
    """Return a file's bytes.

    Raises:
        ValueError: If it cannot be read, is empty, or larger than ``MAX_BYTES``.
    """
    content = data if isinstance(data, bytes) else _file(Path(data))
    if not content:
        raise ValueError("The file is empty (0 bytes). Choose another, or save it again.")
    if len(content) > MAX_BYTES:
        raise ValueError(
            f"The file has {len(content) / 1e6:,.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB are read."
            " Save it smaller, or as JPEG."
        )
    return content


def open_image(content: bytes) -> Image.Image:
    """Return a file's picture, opened: its size and texts are known, its pixels not yet read.

    Raises:
        ValueError: If it is no picture in a format that is read, or its header is damaged.
    """
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        size = str(error).partition("(")[2].partition(" ")[0]
        raise ValueError(_too_large(f"{int(size):,}" if size.isdigit() else "far more")) from None
    except UnidentifiedImageError:
        raise ValueError(_no_picture(content)) from None
    except Exception as error:  # a hostile header makes Pillow raise nearly anything
        raise ValueError(_damaged("picture", error)) from error


def check_size(image: Image.Image) -> None:
    """Raise for a picture that would take too much memory.

    Raises:
        ValueError: If it has more than ``MAX_PIXELS``, or more than ``MAX_SIDE`` a side.
    """
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ValueError(_too_large(f"{width:,} x {height:,} = {width * height:,}"))
    if max(width, height) > MAX_SIDE:
        raise ValueError(
            f"The picture has {width:,} x {height:,} pixels; at most {MAX_SIDE:,} a side are read."
            " Cut it first."
        )


def plain_image(image: Image.Image) -> ReadImage:
    """Return a picture that Pillow has opened or made as 8-bit RGB, as ``read_image`` does.

    Of an animated one its present frame is used.

    Raises:
        ValueError: If it exceeds a limit, or cannot be made 8-bit RGB.
    """
    return _read(image, b"")


def _file(path: Path) -> bytes:
    try:
        with path.expanduser().open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(
            f"{shown(str(path))} cannot be read: {error.strerror or error}."
        ) from error


def _read(image: Image.Image, content: bytes) -> ReadImage:
    kind, (width, height) = image.format or "?", image.size
    check_size(image)
    notes: list[str] = []
    try:
        if content:
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
    return ReadImage(clean, f"{kind}, {width} x {height} px", tuple(notes))


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
