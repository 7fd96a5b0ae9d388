"""Silhouettes: where in a picture of the embedded world an object is, as far as can be told.

A picture that the model drew has no true mask. Its stand-in is a silhouette: the checker says which
object it finds, where and how large, and the world draws that object's outline there.
``benchmarks/attention_truth.py`` measures how far such silhouettes are from true masks.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from sdlab.embedded.captions import Item, Scene
from sdlab.embedded.catalogue import SIZES
from sdlab.embedded.checker import Found, shipped
from sdlab.embedded.scenes import SIDE
from sdlab.embedded.world import World


@functools.cache
def shared_world() -> World:
    """Return the world on the CPU, made once."""
    return World()


def pixels_of(image: Image.Image) -> torch.Tensor:
    """Return a picture as the world has it: float32 in -1 ... 1, [3, 128, 128]."""
    resized = np.array(image.convert("RGB").resize((SIDE, SIDE)))
    return torch.from_numpy(resized).permute(2, 0, 1).float() / 127.5 - 1


def silhouette(image: Image.Image, name: str) -> torch.Tensor | None:
    """Return where an object is in a picture, bool [128, 128]; None if it is not there once.

    Args:
        image: Of the embedded world.
        name: Of the object, "car".
    """
    (seen,) = shipped().look([image])
    found = [thing for thing in seen.objects if thing.name == name]
    return outline(shared_world(), found[0], pixels_of(image)) if len(found) == 1 else None


def outline(world: World, thing: Found, picture: torch.Tensor) -> torch.Tensor:
    """Return the outline of a found object, bool [128, 128], flipped as suits the picture better.

    Args:
        world: Draws it.
        thing: What the checker found.
        picture: float32 in -1 ... 1, [3, 128, 128].
    """
    size = SIZES[thing.size]
    x, y = (min(max(round(c * SIDE - size / 2), 0), SIDE - size) for c in (thing.x, thing.y))
    tint = None if thing.colour == "natural" else thing.colour
    kinds = [Item(thing.name, size, x, y, tint, flip) for flip in (False, True)]
    try:
        drawn, cover = world.render([Scene((item,), "white") for item in kinds])
    except KeyError:  # a colour that the object never has
        drawn, cover = world.render([Scene((i._replace(tint=None),), "white") for i in kinds])
    inside = cover[:, 0] >= 0.5
    errors = [float(((d - picture) ** 2)[:, m].mean()) for d, m in zip(drawn, inside, strict=True)]
    return inside[int(np.argmin(errors))]


def on_grid(pixels: torch.Tensor, cells: int = 16) -> np.ndarray:
    """Return a mask [128, 128] on a grid, bool [cells, cells]: what it covers by more than half."""
    return np.asarray((F.avg_pool2d(pixels[None].float(), SIDE // cells)[0] > 0.5).numpy())
