"""The world of the embedded model: what its pictures show and how they are checked."""

from __future__ import annotations

import functools
import json
import re
import unicodedata

from sdlab.shipped import FOLDER
from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)

_WORDS = re.compile(r"(?:[^\W_]|')+")


@functools.cache
def known_objects() -> tuple[str, ...]:
    """Return the objects that the shipped checker can tell apart."""
    from safetensors import safe_open

    with safe_open(FOLDER / "checker.safetensors", framework="numpy") as file:
        return tuple(file.metadata()["objects"].split(","))


def known_words() -> frozenset[str]:
    """Return every word that the shipped model saw in training."""
    return frozenset(json.loads((FOLDER / "known_words.json").read_text(encoding="utf-8")))


def unknown_words(prompt: str) -> list[str]:
    """Return the words of a prompt that the shipped model never saw, each once, in order.

    Args:
        prompt: Any text in any script; case and punctuation do not matter.
    """
    known = known_words()
    words = _WORDS.findall(unicodedata.normalize("NFC", prompt).lower())
    return [word for word in dict.fromkeys(words) if word not in known]
