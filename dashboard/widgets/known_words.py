"""What the embedded model knows, and which words of a prompt it does not."""

import streamlit as st

from dashboard.shell.messages import plain
from sdlab.embedded import known_words, unknown_words
from sdlab.embedded.catalogue import DRAWN, GLYPHS, PLAIN, TINTS
from sdlab.errors import brief

MOST_WORDS = 10
_SHOWN = 3


def say_known(prompt: str) -> None:
    """Draw which words of a prompt the embedded model does not know, and what it does know."""
    words = unknown_words(prompt)
    if words:
        more = f" and {len(words) - MOST_WORDS} more" if len(words) > MOST_WORDS else ""
        named = ", ".join(f"“{word}”" for word in words[:MOST_WORDS]) + more
        st.info(
            f"The embedded model does not know {plain(brief(named))}.", icon=":material/dictionary:"
        )
    objects, colours, places = _objects(), _colours(), _places()
    st.caption(
        f"{'It' if words else 'The embedded model'} knows {len(objects)} objects "
        f"({_some(objects)}), {len(colours)} colours ({_some(colours)}) and {len(places)} places "
        f"({_some(places)}).",
        help=_all(),
    )


def say_unknown(prompt: str) -> None:
    """Draw the same, but nothing if the embedded model knows every word of a prompt."""
    if unknown_words(prompt):
        say_known(prompt)


def _all() -> str:
    tints = [colour for colour in _colours() if colour in TINTS]
    others = [colour for colour in _colours() if colour not in TINTS]
    return (
        f"It knows {len(_objects())} objects: {', '.join(_objects())}. Things can be "
        f"{_listed(tints)}, a plain background also {_listed(others)}. "
        f"Places: {', '.join(_places())}."
    )


def _objects() -> list[str]:
    known = known_words()  # which has "orange" too, but as a colour
    return [glyph.name for glyph in GLYPHS if {glyph.name, glyph.plural} <= known]


def _colours() -> list[str]:
    return [colour for colour in PLAIN if colour in known_words()]


def _places() -> list[str]:
    return [words for name, words in DRAWN.items() if name in known_words()]


def _listed(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _some(names: list[str]) -> str:
    more = ", …" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
