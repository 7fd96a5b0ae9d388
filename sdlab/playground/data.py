"""Points in the plane: five distributions with mean 0 and a mean squared length of about 2.

That is 1 a coordinate, as of normal noise, which so covers them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from sdlab.errors import unknown

Draw = Callable[[int, torch.Generator], Tensor]


def sample(name: str, count: int, generator: torch.Generator) -> Tensor:
    """Return independent draws, float32 [count, 2].

    A row's number says nothing of its point: a network told ascending times could learn from it.

    Args:
        name: One of ``DATA``.
        count: How many, 1 or more.
        generator: Where they come from.

    Raises:
        ValueError: If the name is unknown or the count below 1.
    """
    if name not in DATA:
        raise ValueError(unknown("data", name, DATA))
    if count < 1:
        raise ValueError(f"count must be 1 or more, got {count}.")
    return DATA[name](count, generator)


def _moons(count: int, generator: torch.Generator) -> Tensor:
    angle = math.pi * torch.rand(count, generator=generator)
    lower = torch.rand(count, generator=generator) < 0.5
    x = torch.where(lower, 1 - angle.cos(), angle.cos()) - 0.5
    y = torch.where(lower, 0.5 - angle.sin(), angle.sin()) - 0.25
    return _noisy(1.4138 * torch.stack((x, y), 1), 0.08, generator)


def _spiral(count: int, generator: torch.Generator) -> Tensor:
    angle = 3 * math.pi * torch.rand(count, generator=generator).sqrt()
    arm = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    points = torch.stack((angle.cos(), angle.sin()), 1) * (arm * angle / 6.664)[:, None]
    return _noisy(math.sqrt(2) * points, 0.04, generator)


def _ring(count: int, generator: torch.Generator) -> Tensor:
    angle = 2 * math.pi * torch.rand(count, generator=generator)
    return _noisy(math.sqrt(2) * torch.stack((angle.cos(), angle.sin()), 1), 0.06, generator)


def _mixture(count: int, generator: torch.Generator) -> Tensor:
    angle = torch.randint(8, (count,), generator=generator) * (math.pi / 4)
    return _noisy(math.sqrt(2) * torch.stack((angle.cos(), angle.sin()), 1), 0.12, generator)


def _checkerboard(count: int, generator: torch.Generator) -> Tensor:
    column = torch.randint(4, (count,), generator=generator)
    row = 2 * torch.randint(2, (count,), generator=generator) + column % 2
    inside = torch.rand(count, 2, generator=generator)
    return (torch.stack((column, row), 1) + inside - 2) * (math.sqrt(3) / 2)


def _noisy(points: Tensor, std: float, generator: torch.Generator) -> Tensor:
    return points + std * torch.randn(points.shape, generator=generator)


DATA: dict[str, Draw] = {
    "two moons": _moons,
    "spiral": _spiral,
    "ring": _ring,
    "mixture": _mixture,
    "checkerboard": _checkerboard,
}
