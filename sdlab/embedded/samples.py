"""Sample pictures to start from: a few named scenes of the embedded world, and random ones."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sdlab.embedded.captions import BACKGROUND, Item, Scene, Word, text_of
from sdlab.embedded.scenes import SceneSampler
from sdlab.errors import unknown

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from sdlab.embedded.world import World

SAMPLES = {
    "a parrot on a beach": Scene((Item("parrot", 80, 24, 32),), "beach"),
    "a penguin in the snow": Scene((Item("penguin", 80, 24, 40),), "snow"),
    "a rocket at night": Scene((Item("rocket", 80, 24, 24),), "night"),
    "a red car on a meadow": Scene((Item("car", 80, 24, 40, tint="red"),), "meadow"),
    "a fish in the sea": Scene((Item("fish", 80, 24, 24),), "sea"),
    "a cat to the left of a tree on a yellow background": Scene(
        (Item("cat", 56, 8, 40), Item("tree", 56, 64, 32)), "yellow", relation="left"
    ),
    "an apple on a white background": Scene((Item("apple", 80, 24, 24),), "white"),
    "a panda on a black background": Scene((Item("panda", 80, 24, 24),), "black"),
}
"""Scenes by their captions, so that a sample's name is a prompt for it."""


def sample_picture(name: str) -> Image.Image:
    """Return the 128 x 128 picture of a named sample.

    Raises:
        ValueError: If there is no sample of that name; lists them.
    """
    if name not in SAMPLES:
        raise ValueError(unknown("sample", name, SAMPLES))
    return _picture(SAMPLES[name])


def drawn_picture(seed: int) -> tuple[Image.Image, str]:
    """Return the 128 x 128 picture of a scene drawn by its seed, and the scene's caption.

    The scenes are those of the model's test split: none was in its training.
    """
    scene, words = SceneSampler(seed, split="test")(0)
    return _picture(scene), text_of(words)


def sample_mask(scene: str | int, word: str, cells: int) -> np.ndarray | None:
    """Return where a word's objects, or its background, truly are in a sample, bool [cells, cells].

    Args:
        scene: A name of ``SAMPLES``, or the seed of ``drawn_picture``.
        word: A word of its caption.
        cells: Of the grid, a side; 128 must be a multiple.

    Returns:
        What the word covers by more than half; None of a word without a place.
    """
    from sdlab.embedded.silhouettes import on_grid
    from sdlab.embedded.world import word_mask

    if isinstance(scene, int):
        drawn, words = SceneSampler(scene, split="test")(0)
    else:
        drawn = SAMPLES[scene]
        words = [_word(drawn, one) for one in scene.split()]
    said = next((one for one in words if one.slots and one.text == word), None)
    mask = None if said is None else word_mask(said, _world().render([drawn])[1][0])
    return None if mask is None else on_grid(mask, cells)


def _word(scene: Scene, word: str) -> Word:
    """Return a word of a sample's caption with the slots that it speaks of."""
    if word in (scene.background, "background"):
        return Word(word, (BACKGROUND,))
    named = [n for n, item in enumerate(scene.items) if word in (item.name, item.tint)]
    return Word(word, tuple(named))


def _picture(scene: Scene) -> Image.Image:
    from sdlab.embedded.pictures import to_pictures

    return to_pictures(_world().render([scene])[0])[0]


@lru_cache(maxsize=1)
def _world() -> World:
    from sdlab.embedded.world import World

    return World()
