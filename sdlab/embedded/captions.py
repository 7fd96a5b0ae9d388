"""Captions for scenes, and which scene slots each word of a caption names.

A caption is put together from parts; every part carries the slots (objects) that it names, or
BACKGROUND. So the mask of each word is known exactly: the union of its slots' masks, or
everything outside them.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from sdlab.embedded.catalogue import DRAWN, GLYPHS, NAMES, RELATIONS

BACKGROUND = -1
COUNTS = {2: "two", 3: "three"}
OPENINGS = ("", "", "", "", "a picture of ", "a photo of ")
PLAIN_TEMPLATES = ("on a {} background", "on a {} background", "on {}", "{} background")


class Word(NamedTuple):
    """One word of a caption and the slots (object numbers, or BACKGROUND) that it speaks of."""

    text: str
    slots: tuple[int, ...] = ()


class Item(NamedTuple):
    """One object of a scene: pixel box of side ``size`` at (x, y), from the top left."""

    name: str
    size: int
    x: int
    y: int
    tint: str | None = None
    flip: bool = False
    size_word: str | None = None


class Scene(NamedTuple):
    """Objects on a background with the relation of item 0 to item 1, if the caption says it."""

    items: tuple[Item, ...]
    background: str
    variant: int = 0
    relation: str | None = None
    kind: str = "single"


def article(word: str) -> str:
    """Return "a" or "an" for the word that follows."""
    return "an" if word[0] in "aeiou" else "a"


def noun_phrase(item: Item, slot: int) -> list[Word]:
    """Return e.g. "a small red car" as words that all speak of this slot."""
    words = [word for word in (item.size_word, item.tint, item.name) if word]
    return [Word(article(words[0]))] + [Word(word, (slot,)) for word in words]


def background_phrase(background: str, rng: random.Random) -> list[Word]:
    """Return e.g. "on a blue background" or "at night" with its content words marked."""
    if background in DRAWN:
        words = DRAWN[background].split()
        return [Word(w, (BACKGROUND,) if w == background else ()) for w in words]
    template = rng.choice(PLAIN_TEMPLATES)
    if background[0] in "aeiou":
        template = template.replace("a {}", "an {}")
    words = template.format(background).split()
    marked = {background, "background"}
    found = [Word(w, (BACKGROUND,) if w in marked else ()) for w in words]
    return found if words[0] == "on" else [Word(","), *found]


def object_phrase(scene: Scene, rng: random.Random) -> list[Word]:
    """Return the words for the objects of a scene: one, a count, a relation, or a list."""
    items = scene.items
    if scene.kind == "count":
        plural = GLYPHS[NAMES.index(items[0].name)].plural
        slots = tuple(range(len(items)))
        tint = [Word(items[0].tint, slots)] if items[0].tint else []
        return [Word(COUNTS[len(items)], slots), *tint, Word(plural, slots)]
    phrases = [noun_phrase(item, slot) for slot, item in enumerate(items)]
    if scene.relation:
        between = [Word(word) for word in RELATIONS[scene.relation].split()]
        return phrases[0] + between + phrases[1]
    rng.shuffle(phrases)
    words = phrases[0]
    for number, phrase in enumerate(phrases[1:], start=2):
        words = words + [Word("and" if number == len(phrases) else ",")] + phrase
    return words


def describe(scene: Scene, rng: random.Random, *, plain: bool = False) -> list[Word]:
    """Return a caption of the scene as words; ``plain`` leaves out the varied openings."""
    words = object_phrase(scene, rng)
    opening = "" if plain else rng.choice(OPENINGS)
    if plain or rng.random() < 0.95:
        words = words + background_phrase(scene.background, rng)
    return [Word(word) for word in opening.split()] + words


def text_of(words: list[Word]) -> str:
    """Return the caption as a string; a comma is set without a space before it."""
    return " ".join(word.text for word in words).replace(" ,", ",")
