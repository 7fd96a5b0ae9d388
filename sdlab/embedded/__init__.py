"""The small Stable Diffusion that ships with sdlab: its world, its training, its evaluation."""

from __future__ import annotations

import json
import re
from pathlib import Path

_SHIPPED = Path(__file__).parents[1] / "models" / "embedded"
_CAPTION_WORDS = re.compile(r"[a-z0-9']+")


def known_words() -> frozenset[str]:
    """Returns every word that the shipped model saw in training."""
    return frozenset(json.loads((_SHIPPED / "known_words.json").read_text(encoding="utf-8")))


def unknown_words(prompt: str) -> list[str]:
    """Returns the words of a prompt that the shipped model never saw, each once, in order.

    Args:
        prompt: any text; case and punctuation do not matter.
    """
    known = known_words()
    words = _CAPTION_WORDS.findall(prompt.lower())
    return [word for word in dict.fromkeys(words) if word not in known]
