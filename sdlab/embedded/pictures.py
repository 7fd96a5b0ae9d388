"""Tensors to pictures."""

from __future__ import annotations

import torch
from PIL import Image


def to_pictures(pictures: torch.Tensor) -> list[Image.Image]:
    """Return PIL images of pictures in -1..1, shape [B, 3, H, W]."""
    pixels = ((pictures.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    return [Image.fromarray(p.cpu().numpy()) for p in pixels]


def grid(pictures: torch.Tensor, columns: int) -> Image.Image:
    """Return all pictures in rows of ``columns``, two pixels apart on white."""
    tiles = to_pictures(pictures)
    width, height = tiles[0].width + 2, tiles[0].height + 2
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % columns * width, number // columns * height))
    return sheet
