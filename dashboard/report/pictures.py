"""Pictures as data within a file, made smaller where they would make it too large."""

import io
from base64 import b64encode
from collections.abc import Sequence
from itertools import accumulate

from PIL import Image

SIDES = (1024, 768, 512, 384, 256, 192, 128, 96, 64)
"""Longest sides that are tried, in pixels."""
QUALITY = 85
BYTES_A_PIXEL = 0.1
"""That WebP takes at the least, about; larger pictures are not even tried."""
NOTE = (
    "So that this file stays below 10 MB, its pictures are WebP of at most {side} pixels a side; "
    "the stored runs have them whole."
)
LEFT_OUT = " The last {count:,} of its {all:,} pictures are left out."


def encoded(pictures: Sequence[bytes], budget: int) -> tuple[list[str | None], str]:
    """Return pictures as data URIs, and what was done to them in a sentence; "" for nothing.

    Args:
        pictures: PNG files.
        budget: Bytes that all of them together may take. Where not even the smallest side is small
            enough, the last ones are left out: None.
    """
    found = [_uri("png", data) for data in pictures]
    if sum(map(len, found)) <= budget:
        return [*found], ""
    for side in SIDES:
        least = BYTES_A_PIXEL * len(pictures) * side**2
        if least > budget and side != SIDES[-1]:
            continue
        found = [_uri("webp", _webp(data, side)) for data in pictures]
        if sum(map(len, found)) <= budget:
            break
    note = NOTE.format(side=side)
    sizes = accumulate(map(len, found))
    kept = sum(size <= budget for size in sizes)
    if kept < len(found):
        note += LEFT_OUT.format(count=len(found) - kept, all=len(found))
    return [*found[:kept], *[None] * (len(found) - kept)], note


def png_of(image: Image.Image) -> bytes:
    """Return a picture as a PNG file."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(data).decode()}"


def _webp(png: bytes, side: int) -> bytes:
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=QUALITY, method=4)
    return out.getvalue()
