"""The objects, colours and backgrounds of the embedded world, and the held-out combinations.

Each object is one glyph of Noto Color Emoji. The first twenty are the CORE set that a CPU learns
in an hour or two; a GPU run takes all of them. A combination (object with colour, object on
background, pair of objects) that is *held out* never occurs in a training scene, so that a
picture of one shows composition and not memory.
"""

from __future__ import annotations

from typing import NamedTuple

GLYPH_SIZE = 96
"""Side of one glyph in the atlas, in pixels."""

SIZES = {"small": 40, "medium": 56, "large": 80}
"""Side of an object in pixels; all are multiples of 8, the VAE's cell."""


class Glyph(NamedTuple):
    """One object: its noun, its plural, its emoji, whether it may be flipped and tinted."""

    name: str
    plural: str
    emoji: str
    flips: bool = False
    tints: bool = False


GLYPHS = (
    Glyph("cat", "cats", "\U0001f431"),
    Glyph("elephant", "elephants", "\U0001f418", flips=True),
    Glyph("panda", "pandas", "\U0001f43c"),
    Glyph("frog", "frogs", "\U0001f438"),
    Glyph("penguin", "penguins", "\U0001f427"),
    Glyph("parrot", "parrots", "\U0001f99c", flips=True),
    Glyph("butterfly", "butterflies", "\U0001f98b", tints=True),
    Glyph("apple", "apples", "\U0001f34e"),
    Glyph("banana", "bananas", "\U0001f34c", flips=True),
    Glyph("car", "cars", "\U0001f697", tints=True),
    Glyph("rocket", "rockets", "\U0001f680", flips=True),
    Glyph("house", "houses", "\U0001f3e0"),
    Glyph("tree", "trees", "\U0001f333"),
    Glyph("sun", "suns", "\U0001f31e"),
    Glyph("star", "stars", "\u2b50", tints=True),
    Glyph("heart", "hearts", "\u2764\ufe0f", tints=True),
    Glyph("balloon", "balloons", "\U0001f388", tints=True),
    Glyph("mushroom", "mushrooms", "\U0001f344"),
    Glyph("fish", "fishes", "\U0001f420", flips=True),
    Glyph("flower", "flowers", "\U0001f33c", tints=True),
    # From here on: learned by a GPU run only.
    Glyph("dog", "dogs", "\U0001f436"),
    Glyph("fox", "foxes", "\U0001f98a"),
    Glyph("pig", "pigs", "\U0001f437"),
    Glyph("monkey", "monkeys", "\U0001f435"),
    Glyph("lion", "lions", "\U0001f981"),
    Glyph("tiger", "tigers", "\U0001f42f"),
    Glyph("cow", "cows", "\U0001f42e"),
    Glyph("rabbit", "rabbits", "\U0001f430"),
    Glyph("koala", "koalas", "\U0001f428"),
    Glyph("owl", "owls", "\U0001f989"),
    Glyph("whale", "whales", "\U0001f433", flips=True),
    Glyph("turtle", "turtles", "\U0001f422", flips=True),
    Glyph("snail", "snails", "\U0001f40c", flips=True),
    Glyph("bee", "bees", "\U0001f41d", flips=True),
    Glyph("crab", "crabs", "\U0001f980"),
    Glyph("octopus", "octopuses", "\U0001f419"),
    Glyph("orange", "oranges", "\U0001f34a"),
    Glyph("lemon", "lemons", "\U0001f34b"),
    Glyph("strawberry", "strawberries", "\U0001f353"),
    Glyph("watermelon", "watermelons", "\U0001f349"),
    Glyph("cherry", "cherries", "\U0001f352"),
    Glyph("carrot", "carrots", "\U0001f955"),
    Glyph("pizza", "pizzas", "\U0001f355"),
    Glyph("donut", "donuts", "\U0001f369"),
    Glyph("cake", "cakes", "\U0001f370"),
    Glyph("bus", "buses", "\U0001f68c", flips=True),
    Glyph("bicycle", "bicycles", "\U0001f6b2"),
    Glyph("boat", "boats", "\u26f5", flips=True),
    Glyph("train", "trains", "\U0001f682", flips=True),
    Glyph("castle", "castles", "\U0001f3f0"),
    Glyph("cactus", "cactuses", "\U0001f335"),
    Glyph("moon", "moons", "\U0001f319"),
    Glyph("cloud", "clouds", "\u2601\ufe0f"),
    Glyph("umbrella", "umbrellas", "\u2602\ufe0f", tints=True),
    Glyph("crown", "crowns", "\U0001f451"),
    Glyph("key", "keys", "\U0001f511"),
    Glyph("bell", "bells", "\U0001f514"),
    Glyph("ball", "balls", "\u26bd"),
    Glyph("hat", "hats", "\U0001f3a9"),
    Glyph("robot", "robots", "\U0001f916"),
)

NAMES = tuple(glyph.name for glyph in GLYPHS)
CORE = NAMES[:20]

TINTS = {
    "red": (0.87, 0.13, 0.16),
    "yellow": (0.98, 0.82, 0.15),
    "green": (0.18, 0.66, 0.27),
    "blue": (0.16, 0.42, 0.90),
    "purple": (0.56, 0.23, 0.76),
    "pink": (0.97, 0.47, 0.70),
}
"""Colours an object may be painted in, RGB in 0..1."""

PLAIN = {
    "white": (0.95, 0.95, 0.95),
    "black": (0.08, 0.08, 0.09),
    "gray": (0.52, 0.53, 0.55),
    "red": (0.82, 0.20, 0.20),
    "orange": (0.95, 0.58, 0.20),
    "yellow": (0.96, 0.85, 0.32),
    "green": (0.27, 0.64, 0.33),
    "blue": (0.24, 0.45, 0.85),
    "purple": (0.52, 0.27, 0.70),
    "pink": (0.96, 0.62, 0.76),
}
"""Plain background colours, RGB in 0..1."""

DRAWN = {
    "beach": "on a beach",
    "night": "at night",
    "snow": "in the snow",
    "sea": "in the sea",
    "sky": "in the sky",
    "meadow": "on a meadow",
}
"""Drawn backgrounds and how a caption names them."""

BACKGROUNDS = (*PLAIN, *DRAWN)

RELATIONS = {
    "left": "to the left of",
    "right": "to the right of",
    "above": "above",
    "below": "below",
}
"""Relations of the first object to the second one, and their words."""

OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}


def held_out_colour(name: str, colour: str) -> bool:
    """Whether no training scene shows this object in this colour (one in six)."""
    return (NAMES.index(name) + list(TINTS).index(colour)) % 6 == 5


def held_out_background(name: str, background: str) -> bool:
    """Whether no training scene shows this object on this background (one in sixteen)."""
    return (3 * NAMES.index(name) + BACKGROUNDS.index(background)) % 16 == 5


def held_out_pair(first: str, second: str) -> bool:
    """Whether no training scene shows these two objects together (about one in ten)."""
    low, high = sorted((NAMES.index(first), NAMES.index(second)))
    return low != high and (7 * low + 3 * high) % 10 == 4
