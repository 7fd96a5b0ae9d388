"""The registry of causes, and what a cause is.

A cause is a function of two makings that yields a ``Found`` where they differ in it. It is asked
only where both know the facts that it ``needs``. Its texts (what it does, why, the fix, the source)
are given once, in the decorator.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sdlab.discovery import import_registering
from sdlab.errors import unknown
from sdlab.explaining.making import FACTS, Making

UNRELATED, ANOTHER = "unrelated picture", "another picture"
VISIBLE, SLIGHT = "visible", "slight"
EFFECTS = (UNRELATED, ANOTHER, VISIBLE, SLIGHT)
"""How much a cause does by itself, as its source tells, the most first: nothing in common; another
picture, perhaps with the same layout; details; hardly to be seen. What it costs here is measured.
"""
LEVELS = "levels"
"""What a cause ``needs`` beside facts: the noise levels of both."""

Check = Callable[[Making, Making], Iterator["Found"]]


@dataclass(frozen=True)
class Found:
    """One difference that a cause found.

    Attributes:
        message: With both sides' own values in it.
        change: Fields of the first's experiment that give it the second's way; empty if no field
            does.
        stand_in: What ``change`` does instead, where no field does the thing itself; without a
            change, why there is none.
        effect: Where it is another one than the cause's.
    """

    message: str
    change: Mapping[str, Any] = field(default_factory=dict)
    stand_in: str = ""
    effect: str = ""


@dataclass(frozen=True)
class Cause:
    """A reason why two pictures differ.

    Attributes:
        id: Kebab-case, stable.
        title: What differs, in a word or two.
        effect: Of ``EFFECTS``.
        explanation: Why it changes the picture.
        fix: How to make both alike.
        source: The code, paper or issue that it is based on.
        needs: Facts that both must know, and "levels".
        check: The function.
    """

    id: str
    title: str
    effect: str
    explanation: str
    fix: str
    source: str
    needs: tuple[str, ...]
    check: Check


_CAUSES: dict[str, Cause] = {}


def cause(
    id: str, title: str, effect: str, *, needs: str, explanation: str, fix: str, source: str
) -> Callable[[Check], Check]:
    """Return a decorator that registers a cause; registering an id again replaces it.

    Args:
        id: See ``Cause``, as the others.
        title: In a word or two.
        effect: Of ``EFFECTS``.
        needs: Names of ``FACTS``, or "levels", with spaces between.
        explanation: In one or two sentences.
        fix: In one sentence.
        source: What it is based on.

    Raises:
        ValueError: If the effect or a fact is unknown.
    """
    if effect not in EFFECTS:
        raise ValueError(unknown("effect", effect, EFFECTS))
    names = tuple(needs.split())
    for name in names:
        if name not in (*FACTS, LEVELS):
            raise ValueError(unknown("fact", name, (*FACTS, LEVELS)))

    def register(check: Check) -> Check:
        _CAUSES[id] = Cause(id, title, effect, explanation, fix, source, names, check)
        return check

    return register


def all_causes() -> dict[str, Cause]:
    """Return every cause by id; the modules that hold causes are found and imported here."""
    import_registering("sdlab.explaining.causes", "cause")
    return dict(_CAUSES)


def known_to(made: Making, needs: tuple[str, ...]) -> bool:
    """Return whether all that a cause needs is known of a making."""
    return all(made.levels is not None if name == LEVELS else made.knows(name) for name in needs)
