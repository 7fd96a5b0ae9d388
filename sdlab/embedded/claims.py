"""Reads a caption of the world back into what it claims: things, colours, relation, background."""

from __future__ import annotations

import re
from typing import NamedTuple

from sdlab.embedded.captions import COUNTS
from sdlab.embedded.catalogue import DRAWN, GLYPHS, PLAIN, RELATIONS, SIZES, TINTS


class Thing(NamedTuple):
    """One noun of a caption with what is said about it."""

    name: str
    colour: str | None = None
    size: str | None = None
    number: int = 1


class Claims(NamedTuple):
    """What a caption says; parts that it does not mention are empty or None."""

    things: tuple[Thing, ...]
    background: str | None = None
    relation: str | None = None


_NOUNS = {glyph.name: (glyph.name, False) for glyph in GLYPHS} | {
    glyph.plural: (glyph.name, True) for glyph in GLYPHS
}
_COUNTS = {word: number for number, word in COUNTS.items()}


def parse(caption: str) -> Claims:
    """Returns what a caption claims. Words that the world does not hold are passed over.

    Args:
        caption: e.g. "a photo of a red car to the left of a cat at night".
    """
    text = " ".join(re.findall(r"[a-z]+", caption.lower()))
    background, text = _take_background(text)
    relation = next((r for r, words in RELATIONS.items() if f" {words} " in text), None)
    things: list[Thing] = []
    said = Thing("")
    for word in text.split():
        if word in _NOUNS:
            name, many = _NOUNS[word]
            things.append(said._replace(name=name, number=said.number if many else 1))
            said = Thing("")
        elif word in TINTS:
            said = said._replace(colour=word)
        elif word in SIZES:
            said = said._replace(size=word)
        elif word in _COUNTS:
            said = said._replace(number=_COUNTS[word])
    return Claims(tuple(things), background, relation if len(things) >= 2 else None)


def _take_background(text: str) -> tuple[str | None, str]:
    """Returns the background that a caption names and the caption without it."""
    for name, words in DRAWN.items():
        if re.search(rf"\b{words}\b", text):
            return name, re.sub(rf"\b{words}\b", "", text)
    colours = "|".join(PLAIN)
    for pattern in (rf"(?:\bon (?:an? )?)?\b({colours}) background\b", rf"\bon ({colours})$"):
        found = re.search(pattern, text)
        if found:
            return found[1], text.replace(found[0], "")
    return None, text
