"""Parses a caption of the embedded world: things, colours, relation, background."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sdlab.embedded import known_objects
from sdlab.embedded.captions import COUNTS
from sdlab.embedded.catalogue import DRAWN, GLYPHS, PLAIN, RELATIONS, SIZES, TINTS


class Thing(NamedTuple):
    """One noun of a caption with what is said about it."""

    name: str
    colour: str | None = None
    size: str | None = None
    number: int = 1


class Claims(NamedTuple):
    """What a caption says; parts that it does not mention are empty or None.

    Attributes:
        things: In the caption's order, but the two that a relation speaks of come first.
        background: "beach", "red", ...
        relation: Of the first thing to the second: "left", "right", "above" or "below".
    """

    things: tuple[Thing, ...]
    background: str | None = None
    relation: str | None = None


_NAMES = {glyph.name: glyph.name for glyph in GLYPHS}
_PLURALS = {glyph.plural: glyph.name for glyph in GLYPHS}
_COUNTS = {word: number for number, word in COUNTS.items()}
_COLOURS = {*TINTS, *PLAIN}
_BREAKS = re.compile(
    "|".join(rf"\b{words}\b" for words in (*RELATIONS.values(), "an?", "the", "and")) + "|,"
)


def parse(caption: str, objects: Sequence[str] | None = None) -> Claims:
    """Return what a caption claims of these objects; other words claim nothing.

    An adjective belongs to the noun of its own phrase: "a red dragon and a cat" says nothing about
    the cat's colour. A relation counts if both nouns beside it are known.

    Args:
        caption: E.g. "a photo of a red car to the left of a cat at night".
        objects: Nouns to find; default: those of the shipped checker.
    """
    nouns = frozenset(known_objects() if objects is None else objects)
    text = " ".join(re.findall(r"\w+|,", caption.lower()))
    background, text = _take_background(text)
    relation, before, after = _split(text)
    left, right = _phrases(before, nouns), _phrases(after, nouns)
    pair: list[Thing] = []
    if relation and left and right and left[-1] and right[0]:
        pair = [left[-1].pop(), right[0].pop(0)]
    others = [thing for phrase in left + right for thing in phrase]
    return Claims((*pair, *others), background, relation if pair else None)


def _split(text: str) -> tuple[str | None, str, str]:
    """Return the first relation of a text with what stands before and after its words."""
    found = [
        (match.start(), match.end(), name)
        for name, words in RELATIONS.items()
        if (match := re.search(rf"\b{words}\b", text))
    ]
    if not found:
        return None, text, ""
    start, end, name = min(found)
    return name, text[:start], text[end:]


def _phrases(text: str, nouns: frozenset[str]) -> list[list[Thing]]:
    """Return the things of each phrase; articles, "and", commas and relations part phrases."""
    parts = [part.split() for part in _BREAKS.split(text)]
    return [_things(words, nouns) for words in parts if words]


def _things(words: list[str], nouns: frozenset[str]) -> list[Thing]:
    """Return the known nouns of one phrase with the adjectives before them."""
    things: list[Thing] = []
    thing = Thing("")
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name = _noun(word, nouns)
        adjective = word in _COLOURS and (following in _COLOURS or _noun(following, nouns))
        if name and not adjective:
            many = word in _PLURALS
            things.append(thing._replace(name=name, number=thing.number if many else 1))
            thing = Thing("")
        elif word in TINTS:
            thing = thing._replace(colour=word)
        elif word in SIZES:
            thing = thing._replace(size=word)
        elif word in _COUNTS:
            thing = thing._replace(number=_COUNTS[word])
        elif word not in _COLOURS:
            thing = Thing("")
    return things


def _noun(word: str, nouns: frozenset[str]) -> str | None:
    """Return the object that a word names, if it is one of ``nouns``."""
    name = _NAMES.get(word) or _PLURALS.get(word)
    return name if name in nouns else None


def _take_background(text: str) -> tuple[str | None, str]:
    """Return the background that a caption names and the caption without it."""
    for name, words in DRAWN.items():
        if re.search(rf"\b{words}\b", text):
            return name, re.sub(rf"\b{words}\b", "", text)
    colours = "|".join(PLAIN)
    for pattern in (rf"(?:\bon (?:an? )?)?\b({colours}) background\b", rf"\bon ({colours})$"):
        found = re.search(pattern, text)
        if found:
            return found[1], text.replace(found[0], "")
    return None, text
