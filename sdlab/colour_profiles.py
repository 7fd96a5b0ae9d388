"""Converts pictures with a colour profile to sRGB, which all models were trained on.

A picture's ICC profile says what its numbers mean. The red of a phone's Display P3 is not sRGB's,
and its numbers taken as sRGB look pale. What is in sRGB already, whatever its profile is called,
stays the same bit for bit.
"""

import io
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsProfile

# The colour space that a profile must have, by the mode of the picture.
_SPACES = {"RGB": "RGB", "RGBA": "RGB", "L": "GRAY", "LA": "GRAY", "CMYK": "CMYK"}
_LEVELS = 17


def to_srgb(image: Image.Image, data: bytes | None, notes: list[str]) -> Image.Image:
    """Return a picture with its ICC profile applied, in RGB or RGBA, and note what was done.

    Args:
        image: Of mode RGB, RGBA, L, LA or CMYK; for others the profile is ignored, which is noted.
        data: The profile, if it has one.
        notes: A sentence is added here if the profile changes anything.
    """
    if not data:
        return image
    from PIL import ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        name = _name(profile)
        if _SPACES.get(image.mode) != profile.profile.xcolor_space.strip():
            raise ValueError("it is of another kind of colours")
        converted = _applied(image, profile)
    except Exception as error:  # a hostile profile makes Pillow raise nearly anything
        reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        notes.append(f"Its colour profile cannot be used ({reason}) and is left out.")
        return image
    if converted is None:
        return image
    notes.append(f"Colours converted from {name} to sRGB by the picture's profile.")
    return converted


def _applied(image: Image.Image, profile: "ImageCmsProfile") -> Image.Image | None:
    """Return the picture in sRGB, or None if the profile is sRGB's."""
    from PIL import ImageCms

    colours = image.convert(image.mode.removesuffix("A")) if image.mode in ("RGBA", "LA") else image
    transform = ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        colours.mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if colours.mode != "CMYK" and _changes_nothing(transform, colours.mode):
        return None
    converted = ImageCms.applyTransform(colours, transform)
    assert converted is not None
    if colours is not image:
        converted.putalpha(image.getchannel("A"))
    return converted


def _changes_nothing(transform: Any, mode: str) -> bool:
    """Return whether a transform changes no colour by more than the rounding of one level."""
    from PIL import ImageCms

    levels = [round(255 * step / (_LEVELS - 1)) for step in range(_LEVELS)]
    if mode == "L":
        raw = bytes(levels)
        swatch = Image.frombytes("L", (len(raw), 1), raw)
    else:
        raw = bytes(value for r in levels for g in levels for b in levels for value in (r, g, b))
        swatch = Image.frombytes("RGB", (len(raw) // 3, 1), raw)
    after = ImageCms.applyTransform(swatch, transform)
    assert after is not None
    before = swatch.convert("RGB").tobytes()
    return all(abs(a - b) <= 1 for a, b in zip(before, after.tobytes(), strict=True))


def _name(profile: "ImageCmsProfile") -> str:
    """Return a profile's name in quotes, printable and short."""
    description = profile.profile.profile_description or "an unnamed profile"
    text = "".join(c if c.isprintable() else " " for c in description)
    return f"{' '.join(text.split())[:60]!r}"
