"""Formats lists, counts and probabilities for the sentences of a verdict."""

from collections.abc import Sequence

NAMED = 4
"""So many are named in a sentence; of more, the number is told."""


def counted(number: int, what: str) -> str:
    """Return a number with its noun: "1 picture", "3 pictures"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def listed(parts: Sequence[str]) -> str:
    """Return parts as a list in words; of many, the first and how many more there are."""
    if len(parts) > NAMED + 1:
        return f"{', '.join(parts[:NAMED])} and {len(parts) - NAMED} more"
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def probability(value: float) -> str:
    """Return a probability to two figures."""
    return "1" if value >= 0.995 else f"{value:.2g}"
