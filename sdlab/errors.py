"""What can go wrong outside the caller's arguments, and the sentence that helps with a wrong one.

A bad argument raises ``ValueError``; trouble with the environment raises a ``SdlabError``. Both
carry a message made for the person in front of the screen: what was given, what is allowed, what
to change.
"""

import difflib
from collections.abc import Iterable


class SchedulerError(ValueError):
    """A diffusers scheduler refuses what it was asked, or cannot make one of its steps."""


class SdlabError(Exception):
    """Trouble with the environment: weights, memory, disk, device."""


class ModelError(SdlabError):
    """A model cannot be loaded, or this laboratory cannot run it."""


class MemoryLimitError(SdlabError):
    """A run would need more memory than there is; raised before or while it runs."""


class StoreError(SdlabError):
    """A run folder cannot be written or read."""


def nearest(value: str, allowed: Iterable[str], limit: int = 3) -> list[str]:
    """Return the allowed words most like ``value``, best first, case ignored."""
    words = {word.lower(): word for word in allowed}
    return [words[w] for w in difflib.get_close_matches(value.lower(), words, limit, cutoff=0.5)]


def unknown(what: str, value: object, allowed: Iterable[str], hint: str = "") -> str:
    """Return the message for a name that is not in ``allowed``: nearest first, then all of them.

    Args:
        what: What it would be the name of.
        value: What was given.
        allowed: The names that there are.
        hint: A sentence that says better than the nearest names what was meant.
    """
    names = sorted(allowed)
    close = nearest(str(value), names)
    if close and not hint:
        hint = f"Did you mean {' or '.join(map(repr, close))}?"
    said = f"{hint} " if hint else ""
    return f"Unknown {what} {value!r}. {said}Valid: {', '.join(names) or '(none)'}."
