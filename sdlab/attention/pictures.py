"""Heat maps as pictures: over the picture, as a mask, and many side by side on one sheet."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

# Dark to light, evenly in lightness; drawn after the "magma" map of matplotlib (CC0).
STOPS = (
    (0, 0, 4), (28, 16, 68), (79, 18, 123), (129, 37, 129), (181, 54, 122), (229, 80, 100),
    (251, 135, 97), (254, 194, 135), (252, 253, 191),
)  # fmt: skip
GAP = 2
"""Pixels between the pictures of a sheet."""


def colours(heat: NDArray[np.floating], top: float | None = None) -> NDArray[np.uint8]:
    """Return a heat map [h, w] in colours, uint8 [h, w, 3]; ``top`` is white, by default its max.

    Raises:
        ValueError: If it is not a finite 2-D array.
    """
    values = _checked(heat)
    top = float(values.max()) if top is None else top
    shares = np.clip(values / top, 0, 1) if top > 0 else np.zeros_like(values)
    places = np.linspace(0, 1, len(STOPS))
    stops = np.array(STOPS, dtype=np.float64)
    channels = [np.interp(shares, places, stops[:, c]) for c in range(3)]
    return np.round(np.stack(channels, -1)).astype(np.uint8)


def overlay(
    image: "Image.Image",
    heat: NDArray[np.floating],
    *,
    opacity: float = 0.7,
    threshold: float = 0.0,
    top: float | None = None,
) -> "Image.Image":
    """Return the picture with a heat map over it, in the picture's size.

    Args:
        image: The picture.
        heat: [h, w], not negative, of the picture's shape.
        opacity: 0 ... 1, of the map.
        threshold: 0 ... 1; places below this share of ``top`` show the picture alone.
        top: The value that is drawn lightest; None for the map's largest.

    Raises:
        ValueError: If a number is out of range.
    """
    from PIL import Image

    _share("opacity", opacity)
    base = image.convert("RGB")
    smooth = _resized(_checked(heat), base.size)
    top = float(np.max(heat)) if top is None else top
    alpha = np.where(smooth >= threshold_value(threshold, top), opacity, 0.0)[..., None]
    mixed = np.asarray(base) * (1 - alpha) + colours(smooth, top) * alpha
    return Image.fromarray(np.round(mixed).astype(np.uint8))


def mask(
    heat: NDArray[np.floating], size: tuple[int, int], threshold: float = 0.5
) -> "Image.Image":
    """Return where a map reaches a share of its largest value: 8-bit, 0 or 255.

    Args:
        heat: [h, w].
        size: (width, height) of the mask in pixels; the map grows to it bilinearly first.
        threshold: 0 ... 1, as a share of the map's largest value.

    Raises:
        ValueError: If the threshold is out of range.
    """
    from PIL import Image

    smooth = _resized(_checked(heat), size)
    inside = smooth >= threshold_value(threshold, float(np.max(heat)))
    return Image.fromarray(np.where(inside, 255, 0).astype(np.uint8))


def threshold_value(threshold: float, top: float) -> float:
    """Return a share of the largest value as a value.

    Raises:
        ValueError: If the share is not within 0 ... 1.
    """
    _share("threshold", threshold)
    return threshold * top


def sheet(
    image: "Image.Image",
    heats: Sequence[NDArray[np.floating]],
    *,
    columns: int,
    side: int = 96,
    opacity: float = 0.7,
    common: bool = True,
) -> "Image.Image":
    """Return many heat maps over the same picture, row by row.

    Args:
        image: The picture.
        heats: Maps [h, w] of the picture's shape, at least one.
        columns: Pictures in a row.
        side: Longer side of each, in pixels.
        opacity: 0 ... 1, of the maps.
        common: Whether all share the scale of the largest, or each has its own.

    Raises:
        ValueError: If there is no map or no column.
    """
    from PIL import Image

    if not len(heats) or columns < 1:
        raise ValueError(f"a sheet needs a map and a column, got {len(heats)} and {columns}.")
    small = image.convert("RGB")
    small.thumbnail((side, side))
    if max(small.size) < side:
        factor = side / max(small.size)
        small = small.resize([max(1, round(length * factor)) for length in small.size])
    width, height = small.size
    columns = min(columns, len(heats))
    rows = math.ceil(len(heats) / columns)
    size = (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP)
    paper = Image.new("RGB", size, "white")
    top = max(float(np.max(heat)) for heat in heats) if common else None
    for number, heat in enumerate(heats):
        row, column = divmod(number, columns)
        place = (column * (width + GAP), row * (height + GAP))
        paper.paste(overlay(small, heat, opacity=opacity, top=top), place)
    return paper


def _resized(heat: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    from PIL import Image

    grown = Image.fromarray(heat.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(grown, dtype=np.float64)


def _checked(heat: NDArray[np.floating]) -> NDArray[np.float64]:
    values = np.asarray(heat, dtype=np.float64)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"a heat map must be finite [h, w], got {list(values.shape)}.")
    return values


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {value}.")
