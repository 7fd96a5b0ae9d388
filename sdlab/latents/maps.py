"""Latent channels as pictures: one colour scale for all, zero in the middle."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdlab.latents.statistics import one

if TYPE_CHECKING:
    from torch import Tensor

# Blue below zero, white at it, red above; lightness falls evenly to both sides.
STOPS = ((5, 48, 97), (67, 147, 195), (209, 229, 240), (247, 247, 247), (253, 219, 199),
         (214, 96, 77), (103, 0, 31))  # fmt: skip
# For what cannot be negative: dark to light.
HEAT = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))


def channel_maps(
    latents: "Tensor | NDArray[Any]", limit: float | None = None, side: int = 192
) -> list[Image.Image]:
    """Return a picture of each channel, all on one scale.

    Args:
        latents: One image's, [C, h, w] or [1, C, h, w], finite.
        limit: The value of the darkest red, > 0; the darkest blue is its negative. None for the
            largest magnitude.
        side: About how many pixels the longer side gets; each value is a square.

    Raises:
        ValueError: If the limit is not above 0.
    """
    x = one(latents)
    reach = largest(x) if limit is None else limit
    if not reach > 0:
        raise ValueError(f"limit must be above 0, got {limit}.")
    return [squares(_coloured(plane / reach / 2 + 0.5, STOPS), side) for plane in x]


def heat_map(values: NDArray[Any], limit: float, side: int = 256) -> Image.Image:
    """Return a picture of values [h, w] from 0 (black) to ``limit`` (light)."""
    return squares(_coloured(np.asarray(values) / max(limit, 1e-12), HEAT), side)


def largest(latents: "Tensor | NDArray[Any]") -> float:
    """Return the largest magnitude; 1 if all values are 0."""
    return float(np.abs(one(latents)).max()) or 1.0


def legend(stops: tuple[tuple[int, int, int], ...]) -> str:
    """Return a colour scale as a CSS gradient, from left to right."""
    return f"linear-gradient(to right, {', '.join(f'rgb{stop}' for stop in stops)})"


def squares(image: Image.Image, side: int) -> Image.Image:
    """Return a picture enlarged by a whole factor, so that its longer side is near ``side``."""
    factor = max(1, round(side / max(image.size)))
    size = image.width * factor, image.height * factor
    return image.resize(size, Image.Resampling.NEAREST)


def _coloured(share: NDArray[Any], stops: tuple[tuple[int, int, int], ...]) -> Image.Image:
    places = np.linspace(0, 1, len(stops))
    rgb = [np.interp(share, places, [stop[c] for stop in stops]) for c in range(3)]
    return Image.fromarray(np.stack(rgb, -1).round().astype(np.uint8))
