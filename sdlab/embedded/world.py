"""The embedded model's world: scenes of emoji, rendered in torch with an exact mask per word.

    world = World()
    scenes = SceneSampler(seed=0).batch(0, 64)
    pictures, masks = world.render([scene for scene, _ in scenes])

Sprites of every object in every size, and all backgrounds, are held as tensors; a batch is drawn
by gathering from them at whole pixels, so that the picture of a scene is the same on every
device.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from sdlab.embedded.backgrounds import paint_all
from sdlab.embedded.captions import BACKGROUND, Scene, Word
from sdlab.embedded.catalogue import BACKGROUNDS, GLYPH_SIZE, GLYPHS, NAMES, SIZES, TINTS
from sdlab.embedded.scenes import SIDE, VARIANTS

ATLAS = Path(__file__).parent / "data" / "glyphs.png"
SLOTS = 3
_LARGEST = max(SIZES.values())
_LUMA = torch.tensor([0.299, 0.587, 0.114])


def read_glyphs() -> torch.Tensor:
    """Return all glyphs, premultiplied RGBA in 0..1, shape [G, 4, 96, 96]."""
    atlas = torch.from_numpy(np.array(Image.open(ATLAS).convert("RGBA"))).float() / 255
    rows, columns = atlas.shape[0] // GLYPH_SIZE, atlas.shape[1] // GLYPH_SIZE
    tiles = atlas.view(rows, GLYPH_SIZE, columns, GLYPH_SIZE, 4).permute(0, 2, 4, 1, 3)
    glyphs = tiles.reshape(-1, 4, GLYPH_SIZE, GLYPH_SIZE)[: len(NAMES)]
    return torch.cat((glyphs[:, :3] * glyphs[:, 3:], glyphs[:, 3:]), dim=1)


def paint(colour: torch.Tensor, hue: torch.Tensor) -> torch.Tensor:
    """Return premultiplied colours [..., 3] repainted: saturated parts take the given hue.

    Grey parts (windows, wheels, outlines) stay as they are; lightness is kept relative to it.
    """
    light, dark = colour.amax(-1, keepdim=True), colour.amin(-1, keepdim=True)
    saturation = ((light - dark) / light.clamp(min=1e-3) * 2.5 - 0.4).clamp(0, 1)
    luma = (colour * _LUMA.to(colour.device)).sum(-1, keepdim=True)
    shaded = hue * (0.45 * light + 0.55 * (luma + 0.35 * light)).clamp(max=1)
    return colour + saturation * (shaded - colour)


def make_sprites() -> tuple[torch.Tensor, dict[tuple[str, int, str | None], int]]:
    """Return all sprites and the row of each (name, side, tint).

    Sprites are premultiplied RGBA with a clear rim of one pixel, shape [N, 82, 82, 4].
    """
    glyphs = read_glyphs()
    kinds: list[tuple[str, str | None]] = [(name, None) for name in NAMES]
    kinds += [(glyph.name, colour) for glyph in GLYPHS if glyph.tints for colour in TINTS]
    sprites = torch.zeros(len(SIZES), len(kinds), _LARGEST + 2, _LARGEST + 2, 4)
    rows = {}
    for index, side in enumerate(SIZES.values()):
        small = F.interpolate(glyphs, (side, side), mode="bilinear", antialias=True)
        small = small.permute(0, 2, 3, 1)
        for number, (name, colour) in enumerate(kinds):
            sprite = small[NAMES.index(name)]
            if colour:
                hue = torch.tensor(TINTS[colour])
                sprite = torch.cat((paint(sprite[..., :3], hue), sprite[..., 3:]), dim=-1)
            sprites[index, number, 1 : side + 1, 1 : side + 1] = sprite
            rows[name, side, colour] = index * len(kinds) + number
    return sprites.flatten(0, 1), rows


class World:
    """Renders scenes on one device."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        """Hold sprites and backgrounds on ``device`` (about 45 MB)."""
        self.device = torch.device(device)
        sprites, self.rows = make_sprites()
        self.sprites = sprites.to(device)
        self.backgrounds = paint_all(SIDE, VARIANTS).flatten(0, 1).to(device)

    def render(
        self, scenes: Sequence[Scene], *, gather: bool | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return pictures and masks of scenes with up to three objects each.

        Args:
            scenes: B scenes.
            gather: Draw all scenes at once (the way of a GPU) or paste sprite by sprite (the way
                of a CPU); the pictures are the same. Default: what suits the device.

        Returns:
            Pictures float32 in -1..1, shape [B, 3, 128, 128], and the visible coverage of each
            object slot, float32 in 0..1, shape [B, 3 slots, 128, 128] (zero for an empty slot).
        """
        names = [BACKGROUNDS.index(scene.background) * VARIANTS + scene.variant for scene in scenes]
        picture = self.backgrounds[torch.tensor(names, device=self.device)]
        cover = torch.zeros(len(scenes), SLOTS, SIDE, SIDE, device=self.device)
        if self.device.type != "cpu" if gather is None else gather:
            self._gather(scenes, picture, cover)
        else:
            self._paste(scenes, picture, cover)
        return picture.permute(0, 3, 1, 2).contiguous() * 2 - 1, cover

    def _paste(self, scenes: Sequence[Scene], picture: torch.Tensor, cover: torch.Tensor) -> None:
        """Draw into picture [B, 128, 128, 3] and cover [B, 3, 128, 128], one sprite at a time."""
        for b, scene in enumerate(scenes):
            for slot, item in enumerate(scene.items):
                row, side = self.rows[item.name, item.size, item.tint], item.size
                sprite = self.sprites[row, 1 : side + 1, 1 : side + 1]
                sprite = sprite.flip(1) if item.flip else sprite
                rows, columns = slice(item.y, item.y + side), slice(item.x, item.x + side)
                alpha = sprite[..., 3]
                if slot:
                    cover[b, :, rows, columns] *= 1 - alpha
                cover[b, slot, rows, columns] = alpha
                picture[b, rows, columns] *= 1 - alpha[..., None]
                picture[b, rows, columns] += sprite[..., :3]

    def _gather(self, scenes: Sequence[Scene], picture: torch.Tensor, cover: torch.Tensor) -> None:
        """Draw into picture [B, 128, 128, 3] and cover [B, 3, 128, 128], slot by slot."""
        line = torch.arange(SIDE, device=self.device)
        for slot in range(max(len(scene.items) for scene in scenes)):
            held = [
                (b, scene.items[slot]) for b, scene in enumerate(scenes) if len(scene.items) > slot
            ]
            cells = [
                (b, self.rows[i.name, i.size, i.tint], i.size, i.x, i.y, int(i.flip))
                for b, i in held
            ]
            table = torch.tensor(cells, device=self.device)[..., None].unbind(1)
            b, sprite, side, x, y, flip = table
            columns = torch.where(flip > 0, side - 1 - (line - x), line - x)
            columns = (columns + 1).clamp(0, _LARGEST + 1)
            rows = (line - y + 1).clamp(0, _LARGEST + 1)
            layer = self.sprites[sprite[..., None], rows[:, :, None], columns[:, None, :]]
            alpha, b = layer[..., 3], b.squeeze(-1)
            if slot:
                cover[b] *= 1 - alpha[:, None]
            cover[b, slot] = alpha
            picture[b] = picture[b] * (1 - alpha[..., None]) + layer[..., :3]


def word_mask(word: Word, cover: torch.Tensor) -> torch.Tensor | None:
    """Return the exact mask of a word, bool [128, 128], or None for a word without a place.

    Args:
        word: A word of the scene's caption.
        cover: The scene's coverage from ``World.render``, shape [3, 128, 128].
    """
    if not word.slots:
        return None
    if word.slots == (BACKGROUND,):
        return cover.sum(0) < 0.5
    return cover[list(word.slots)].sum(0) >= 0.5
