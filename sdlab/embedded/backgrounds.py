"""Drawn backgrounds: beach, night, snow, sea, sky, meadow, four variants each, as pure arithmetic.

Coordinates run from 0 to 1 over the picture; the variant moves the horizon and the seeds of
stars, flakes, clouds and blades. Nothing is random at run time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from sdlab.embedded.catalogue import BACKGROUNDS, PLAIN

Painter = Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]


def _rgb(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(3, 1, 1)


def _fade(y: torch.Tensor, top: torch.Tensor, bottom: torch.Tensor) -> torch.Tensor:
    return top + (bottom - top) * y


def _dots(
    x: torch.Tensor, y: torch.Tensor, variant: int, count: int, radius: float
) -> torch.Tensor:
    """Return a soft map in 0..1, [H, W], of ``count`` discs on a golden-ratio sequence."""
    spread = torch.zeros_like(x)
    for number in range(count):
        cx = (0.5 + 0.754878 * (number + 17 * variant)) % 1
        cy = (0.5 + 0.569840 * (number + 17 * variant)) % 1
        distance = ((x - cx) ** 2 + (y - cy) ** 2).sqrt()
        spread = torch.maximum(spread, ((radius - distance) * 128 + 0.5).clamp(0, 1))
    return spread


def _beach(x: torch.Tensor, y: torch.Tensor, variant: int) -> torch.Tensor:
    horizon = (3 + variant % 2) / 8
    shore = horizon + 0.25 + 0.015 * torch.sin(12 * x + variant)
    sky = _fade(y / horizon, _rgb(0.45, 0.73, 0.94), _rgb(0.74, 0.89, 0.97))
    sea = _rgb(0.20, 0.52, 0.78).expand_as(sky)
    sand = _fade(y, _rgb(0.93, 0.82, 0.58), _rgb(0.85, 0.70, 0.45))
    return torch.where(y < horizon, sky, torch.where(y < shore, sea, sand))


def _night(x: torch.Tensor, y: torch.Tensor, variant: int) -> torch.Tensor:
    sky = _fade(y, _rgb(0.04, 0.05, 0.16), _rgb(0.15, 0.13, 0.33))
    return sky + (1 - sky) * _dots(x, y, variant, 18, 0.011) * 0.85


def _snow(x: torch.Tensor, y: torch.Tensor, variant: int) -> torch.Tensor:
    hill = (5 + variant % 2) / 8 + 0.04 * torch.sin(5 * x + 2 * variant)
    sky = _fade(y, _rgb(0.55, 0.66, 0.78), _rgb(0.76, 0.83, 0.90))
    sky = sky + (1 - sky) * _dots(x, y, variant, 22, 0.016)
    return torch.where(y < hill, sky, _rgb(0.95, 0.97, 1.0))


def _sea(x: torch.Tensor, y: torch.Tensor, variant: int) -> torch.Tensor:
    water = _fade(y, _rgb(0.20, 0.60, 0.80), _rgb(0.03, 0.20, 0.48))
    wave = torch.sin(10 * x + 6 * torch.sin(6 * y + variant) + 20 * y)
    return water + 0.04 * wave.clamp(min=0)


def _sky(x: torch.Tensor, y: torch.Tensor, variant: int) -> torch.Tensor:
    blue = _fade(y, _rgb(0.30, 0.60, 0.93), _rgb(0.68, 0.86, 0.98))
    clouds = torch.maximum(
        _dots(x, y * 1.6, variant, 4, 0.11), _dots(x - 0.09, y * 1.6, variant, 4, 0.08)
    )
    return blue + (0.98 - blue) * clouds * 0.9


def _meadow(x: torch.Tensor, y: torch.Tensor, variant: int) -> torch.Tensor:
    hill = (4 + variant % 2) / 8 + 0.05 * torch.sin(4 * x + 1.5 * variant)
    sky = _fade(y, _rgb(0.60, 0.82, 0.96), _rgb(0.86, 0.95, 0.99))
    grass = _fade(y, _rgb(0.52, 0.78, 0.32), _rgb(0.24, 0.55, 0.20))
    return torch.where(y < hill, sky, grass)


PAINTERS: dict[str, Painter] = {
    "beach": _beach,
    "night": _night,
    "snow": _snow,
    "sea": _sea,
    "sky": _sky,
    "meadow": _meadow,
}


def paint_all(side: int, variants: int) -> torch.Tensor:
    """Return every background in every variant, shape [len(BACKGROUNDS), variants, side, side, 3].

    Float32 in 0..1. A plain colour varies by 3 % in brightness between its variants.
    """
    line = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(line, line, indexing="ij")
    painted = []
    for name in BACKGROUNDS:
        for variant in range(variants):
            if name in PLAIN:
                shade = 1 + 0.02 * (variant - (variants - 1) / 2)
                picture = _rgb(*PLAIN[name]).expand(3, side, side) * shade
            else:
                picture = PAINTERS[name](x, y, variant)
            painted.append(picture.clamp(0, 1).permute(1, 2, 0))
    return torch.stack(painted).view(len(BACKGROUNDS), variants, side, side, 3).contiguous()
