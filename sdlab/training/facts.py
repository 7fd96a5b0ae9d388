"""What a caption says, as a set of named facts: the truth that the models are held to.

"a red car to the left of a cat at night"
-> {"car", "red car", "car@left", "cat", "cat@right", "night", ...}
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sdlab.embedded.captions import BACKGROUND, Scene, Word
from sdlab.embedded.catalogue import BACKGROUNDS, GLYPHS, OPPOSITE, RELATIONS, SIZES, TINTS


def fact_names(objects: Sequence[str]) -> list[str]:
    """Return all facts that a caption about these objects can state."""
    tinted = [glyph.name for glyph in GLYPHS if glyph.tints and glyph.name in objects]
    return [
        *objects,
        *(f"{colour} {name}" for name in tinted for colour in TINTS),
        *(f"{name}@{relation}" for name in objects for relation in RELATIONS),
        *(f"on {background}" for background in BACKGROUNDS),
        *(f"size {size}" for size in SIZES),
        "count 2",
        "count 3",
    ]


def slot_facts(scene: Scene, slot: int) -> set[str]:
    """Return what the caption says about one object."""
    item = scene.items[slot]
    facts = {item.name}
    if item.tint:
        facts.add(f"{item.tint} {item.name}")
    if item.size_word:
        facts.add(f"size {item.size_word}")
    if scene.relation:
        side = scene.relation if slot == 0 else OPPOSITE[scene.relation]
        facts.add(f"{item.name}@{side}")
    return facts


def scene_facts(scene: Scene, words: Sequence[Word]) -> set[str]:
    """Return everything the caption says."""
    facts = {fact for slot in range(len(scene.items)) for fact in slot_facts(scene, slot)}
    if any(word.slots == (BACKGROUND,) for word in words):
        facts.add(f"on {scene.background}")
    if scene.kind == "count":
        facts.add(f"count {len(scene.items)}")
    return facts


class FactTable:
    """Turns sets of facts into rows of zeros and ones."""

    def __init__(self, objects: Sequence[str]) -> None:
        """Number the facts."""
        self.names = fact_names(objects)
        self._index = {name: index for index, name in enumerate(self.names)}

    def row(self, facts: set[str]) -> torch.Tensor:
        """Return float32 [F], one where the fact is stated."""
        row = torch.zeros(len(self.names))
        row[[self._index[fact] for fact in sorted(facts)]] = 1
        return row
