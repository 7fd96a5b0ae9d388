"""Draws seeded random scenes of the embedded world, with or without held-out combinations.

Every scene is made by a ``random.Random`` of its own, seeded by (seed, number): scene 1,000 of seed
3 is the same scene on every machine, whichever were drawn before. Objects sit on a grid of 8
pixels, one cell of the VAE, so that one object has one latent pattern wherever it stands.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sdlab.embedded.captions import Item, Scene, Word, describe
from sdlab.embedded.catalogue import (
    BACKGROUNDS,
    CORE,
    DRAWN,
    GLYPHS,
    PLAIN,
    RELATIONS,
    SIZES,
    TINTS,
    held_out_background,
    held_out_colour,
    held_out_pair,
)

SIDE = 128
CELL = 8
VARIANTS = 4
KINDS = {"single": 0.45, "pair": 0.42, "count": 0.08, "triple": 0.05}
TINTED = 0.6
"""Share of the objects that can have a colour and have one."""
_FLIPS = {glyph.name: glyph.flips for glyph in GLYPHS}
_TINTS = {glyph.name: glyph.tints for glyph in GLYPHS}


def held_out(scene: Scene) -> bool:
    """Whether the scene holds any combination that training never shows."""
    names = [item.name for item in scene.items]
    return (
        any(held_out_background(name, scene.background) for name in names)
        or any(item.tint and held_out_colour(item.name, item.tint) for item in scene.items)
        or any(held_out_pair(a, b) for i, a in enumerate(names) for b in names[:i])
    )


@dataclass(frozen=True)
class SceneSampler:
    """An endless, seeded row of scenes with captions.

    Attributes:
        seed: Names the row.
        objects: Nouns to draw from.
        split: "train" has no held-out combination, "test" has at least one in every scene.
        kinds: Share of each kind of scene ("single", "pair", "count", "triple", and "coloured": a
            single object that always has a colour).
    """

    seed: int
    objects: Sequence[str] = CORE
    split: str = "train"
    kinds: tuple[tuple[str, float], ...] = tuple(KINDS.items())

    def __call__(self, number: int) -> tuple[Scene, list[Word]]:
        """Return scene ``number`` of the row and its caption."""
        rng = random.Random(f"{self.seed}/{self.split}/{number}")
        while True:
            scene = self._draw(rng)
            if held_out(scene) == (self.split == "test"):
                return scene, describe(scene, rng)

    def batch(self, start: int, count: int) -> list[tuple[Scene, list[Word]]]:
        """Return scenes ``start`` to ``start + count - 1``."""
        return [self(number) for number in range(start, start + count)]

    def _draw(self, rng: random.Random) -> Scene:
        kinds, weights = zip(*self.kinds, strict=True)
        kind = rng.choices(kinds, weights)[0]
        background = rng.choice(BACKGROUNDS)
        items, relation = _PLACERS[kind](rng, self.objects)
        tinted = 1.0 if kind == "coloured" else TINTED
        painted = [_paint(item, background, rng, tinted) for item in items]
        if kind == "count":
            painted = [item._replace(tint=painted[0].tint) for item in painted]
        return Scene(tuple(painted), background, rng.randrange(VARIANTS), relation, kind)


def _paint(item: Item, background: str, rng: random.Random, tinted: float) -> Item:
    """Return the item flipped and tinted at random; never in the colour of its background."""
    flip = _FLIPS[item.name] and rng.random() < 0.3
    tint = None
    if _TINTS[item.name] and rng.random() < tinted:
        tint = rng.choice([colour for colour in TINTS if colour != background])
    return item._replace(flip=flip, tint=tint)


def _cells(rng: random.Random, low: int, high: int) -> int:
    """Return a multiple of 8 between low and high, both multiples of 8."""
    return rng.randrange(low // CELL, high // CELL + 1) * CELL


def _single(rng: random.Random, objects: Sequence[str]) -> tuple[list[Item], None]:
    word = rng.choice(("small", "large", None, None))
    size = SIZES[word] if word else rng.choice((SIZES["medium"], SIZES["large"]))
    middle = (SIDE - size) // 2 // CELL * CELL
    x, y = (_cells(rng, middle - 16, middle + 16) for _ in range(2))
    return [Item(rng.choice(objects), size, x, y, size_word=word)], None


def _coloured(rng: random.Random, objects: Sequence[str]) -> tuple[list[Item], None]:
    painted = [name for name in objects if _TINTS[name]]
    if not painted:
        names = ", ".join(name for name in _TINTS if _TINTS[name])
        raise ValueError(f"objects must hold one that can have a colour ({names}), got {objects}.")
    return _single(rng, painted)


def place_pair(rng: random.Random, names: Sequence[str], relation: str) -> list[Item]:
    """Return two medium items, the first in the given relation to the second."""
    size = SIZES["medium"]
    near, far = _cells(rng, 0, 8), _cells(rng, 64, 72)
    shift = _cells(rng, 24, 48)
    across = shift + rng.choice((-8, 0, 0, 8))
    ends = (near, far) if relation in ("left", "above") else (far, near)
    sides = [(along, side) for along, side in zip(ends, (shift, across), strict=True)]
    if relation in ("above", "below"):
        sides = [(side, along) for along, side in sides]
    return [Item(name, size, x, y) for name, (x, y) in zip(names, sides, strict=True)]


def _pair(rng: random.Random, objects: Sequence[str]) -> tuple[list[Item], str | None]:
    relation = rng.choice(tuple(RELATIONS))
    items = place_pair(rng, rng.sample(list(objects), 2), relation)
    return items, relation if rng.random() < 0.75 else None


def _row(rng: random.Random, names: Sequence[str]) -> list[Item]:
    """Return three small items side by side, left to right."""
    size, y = SIZES["small"], _cells(rng, 24, 64)
    return [
        Item(name, size, x, y + rng.choice((-8, 0, 0, 8)))
        for name, x in zip(names, (0, 40 + _cells(rng, 0, 8), 88), strict=True)
    ]


def _count(rng: random.Random, objects: Sequence[str]) -> tuple[list[Item], None]:
    name = rng.choice(objects)
    if rng.random() < 0.5:
        return place_pair(rng, (name, name), rng.choice(("left", "above"))), None
    return _row(rng, (name, name, name)), None


def _triple(rng: random.Random, objects: Sequence[str]) -> tuple[list[Item], None]:
    return _row(rng, rng.sample(list(objects), 3)), None


_PLACERS = {
    "single": _single,
    "coloured": _coloured,
    "pair": _pair,
    "count": _count,
    "triple": _triple,
}
assert set(DRAWN).isdisjoint(PLAIN)
