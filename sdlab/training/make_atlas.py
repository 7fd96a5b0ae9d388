"""Draws ``data/glyphs.png``, the atlas of the world's objects, from the font Noto Color Emoji.

Run ``python -m sdlab.training.make_atlas FONT`` (Debian: package fonts-noto-color-emoji). The atlas
is ten glyphs wide; glyph i of the catalogue lies in row i // 10, column i % 10, centred, its
longer side 92 of 96 pixels. The bitmaps in the font are 136 pixels wide and are drawn at font
size 109.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from sdlab.embedded.catalogue import GLYPH_SIZE, GLYPHS

ATLAS = Path(__file__).parents[1] / "embedded" / "data" / "glyphs.png"
COLUMNS = 10
MARGIN = 2


def draw_glyph(font: ImageFont.FreeTypeFont, emoji: str) -> Image.Image:
    """Return one emoji as RGBA, cropped to its ink and centred in GLYPH_SIZE x GLYPH_SIZE."""
    canvas = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(canvas).text((8, 8), emoji, font=font, embedded_color=True)
    box = canvas.getbbox()
    if box is None:
        raise ValueError(f"the font has no glyph for {emoji!r}")
    ink = canvas.crop(box)
    scale = (GLYPH_SIZE - 2 * MARGIN) / max(ink.size)
    width, height = (max(1, round(side * scale)) for side in ink.size)
    tile = Image.new("RGBA", (GLYPH_SIZE, GLYPH_SIZE))
    small = ink.resize((width, height), Image.Resampling.LANCZOS)
    tile.paste(small, ((GLYPH_SIZE - width) // 2, (GLYPH_SIZE - height) // 2))
    return tile


def draw_atlas(font_path: str) -> Image.Image:
    """Return the atlas of all glyphs of the catalogue as RGBA."""
    font = ImageFont.truetype(font_path, 109)
    rows = -(-len(GLYPHS) // COLUMNS)
    atlas = Image.new("RGBA", (COLUMNS * GLYPH_SIZE, rows * GLYPH_SIZE))
    for index, glyph in enumerate(GLYPHS):
        place = (index % COLUMNS * GLYPH_SIZE, index // COLUMNS * GLYPH_SIZE)
        atlas.paste(draw_glyph(font, glyph.emoji), place)
    return atlas


if __name__ == "__main__":
    draw_atlas(sys.argv[1]).save(ATLAS, optimize=True)
