"""Sample pictures to start from: a few named scenes of the embedded world, and random ones."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sdlab.embedded.captions import Item, Scene, text_of
from sdlab.embedded.scenes import SceneSampler
from sdlab.errors import unknown

if TYPE_CHECKING:
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


def _picture(scene: Scene) -> Image.Image:
    from sdlab.embedded.pictures import to_pictures

    return to_pictures(_world().render([scene])[0])[0]


@lru_cache(maxsize=1)
def _world() -> World:
    from sdlab.embedded.world import World

    return World()
