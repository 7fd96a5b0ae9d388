"""Experiments on latents: change a channel, add noise, move, and walk between two pictures."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdlab.errors import unknown

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

WALKS = ("spherical", "linear")


def zero(latents: "Tensor", channel: int) -> "Tensor":
    """Return latents [B, C, h, w] with one channel set to 0."""
    return scale(latents, channel, 0.0)


def scale(latents: "Tensor", channel: int, factor: float) -> "Tensor":
    """Return latents with one channel multiplied by ``factor``."""
    out = latents.clone()
    out[:, _channel(latents, channel)] *= _finite("factor", factor)
    return out


def shift(latents: "Tensor", channel: int, amount: float) -> "Tensor":
    """Return latents with ``amount`` added to one channel."""
    out = latents.clone()
    out[:, _channel(latents, channel)] += _finite("amount", amount)
    return out


def swap(latents: "Tensor", first: int, second: int) -> "Tensor":
    """Return latents with two channels exchanged."""
    order = list(range(latents.shape[1]))
    a, b = _channel(latents, first), _channel(latents, second)
    order[a], order[b] = order[b], order[a]
    return latents[:, order]


def add_noise(latents: "Tensor", sigma: float, seed: int) -> "Tensor":
    """Return latents plus ``sigma`` times the standard normal noise of a seed (VE)."""
    import torch

    if not 0 <= sigma < math.inf:
        raise ValueError(f"sigma must be 0 or more and finite, got {sigma}.")
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(latents.shape, generator=generator, dtype=torch.float32)
    return latents + sigma * noise.to(latents)


def crop(latents: "Tensor", top: int, left: int, height: int, width: int) -> "Tensor":
    """Return a rectangle of the latents, in latent pixels.

    Raises:
        ValueError: If it is not within them.
    """
    h, w = latents.shape[-2:]
    inside = 0 <= top and 0 <= left and height >= 1 and width >= 1
    if not (inside and top + height <= h and left + width <= w):
        raise ValueError(
            f"the crop must lie within {h} x {w} latent pixels, got top {top}, left {left},"
            f" height {height}, width {width}."
        )
    return latents[..., top : top + height, left : left + width].clone()


def flip(latents: "Tensor", *, vertical: bool = False) -> "Tensor":
    """Return the latents mirrored left to right, or top to bottom."""
    return latents.flip(-2 if vertical else -1)


def roll(latents: "Tensor", down: int = 0, right: int = 0) -> "Tensor":
    """Return the latents moved by whole latent pixels; what leaves enters on the opposite side."""
    return latents.roll((down, right), (-2, -1))


def between(
    first: "Tensor", second: "Tensor", shares: Sequence[float], walk: str = "spherical"
) -> "Tensor":
    """Return latents on a path from ``first`` to ``second``.

    A straight line between two noises passes inside the shell on which noise lies, so pictures
    in the middle turn gray; the great circle stays on it (Shoemake 1985, slerp; White 2016, arXiv
    1609.04468).

    Args:
        first: [1, C, h, w].
        second: The same shape.
        shares: Places on the path: 0 is ``first`` and 1 is ``second``.
        walk: "spherical" or "linear".

    Returns:
        [len(shares), C, h, w].

    Raises:
        ValueError: If the shapes differ, a share is not finite or the walk is unknown.
    """
    import torch

    if first.shape != second.shape:
        raise ValueError(
            "both latents must have one shape, got"
            f" {list(first.shape)} and {list(second.shape)}; choose pictures of one size."
        )
    if walk not in WALKS:
        raise ValueError(unknown("walk", walk, WALKS))
    for share in shares:
        _finite("share", share)
    if walk == "linear":
        return torch.cat([torch.lerp(first, second, float(share)) for share in shares])
    a, b = first.double(), second.double()
    cosine = (a * b).sum() / (a.norm() * b.norm())
    angle = torch.arccos(cosine.clamp(-1, 1))
    if not angle.sin() > 1e-6:  # parallel, opposite or zero: there is no unique great circle
        return between(first, second, shares, "linear")
    ways = [(((1 - s) * angle).sin() * a + (s * angle).sin() * b) / angle.sin() for s in shares]
    return torch.cat(ways).to(first.dtype)


def norms_between(first: "Tensor", second: "Tensor", count: int = 41) -> "pd.DataFrame":
    """Return the norm, over all values, along every walk between two latents.

    Args:
        first: [1, C, h, w].
        second: The same shape.
        count: Places on each walk, evenly from 0 to 1.

    Returns:
        Columns ``walk`` (of ``WALKS``), ``share`` (0 ... 1) and ``norm``.

    Raises:
        ValueError: If the shapes differ.
    """
    import numpy as np
    import pandas as pd

    shares = np.linspace(0, 1, count)
    frames = []
    for walk in WALKS:
        norm = between(first, second, shares.tolist(), walk).flatten(1).norm(dim=1).numpy()
        frames.append(pd.DataFrame({"walk": walk, "share": shares, "norm": norm}))
    return pd.concat(frames, ignore_index=True)


def _channel(latents: "Tensor", channel: int) -> int:
    count = latents.shape[1]
    if not 0 <= channel < count:
        raise ValueError(f"channel must be from 0 to {count - 1}, got {channel}.")
    return channel


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}.")
    return value
