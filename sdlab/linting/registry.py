"""The registry of lint rules, and what a rule is.

A rule is a function of an ``InspectedCourse`` that yields a ``Finding`` for each thing it finds.
Its id is kebab-case and stable; its texts (what, why, fix, source) are given once, in the
decorator.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sdlab.discovery import import_registering
from sdlab.errors import unknown

if TYPE_CHECKING:
    from sdlab.linting.inspected_course import InspectedCourse

    Check = Callable[[InspectedCourse], Iterator["Finding"]]

SEVERITIES = ("error", "warning", "note")


class Finding(NamedTuple):
    """One thing that a rule found.

    Attributes:
        message: With this course's own numbers in it.
        step: The solver step at which it shows, from 0, or None.
    """

    message: str
    step: int | None = None


@dataclass(frozen=True)
class Rule:
    """A lint rule.

    Attributes:
        id: Kebab-case, stable.
        theme: The module it is in, such as "spacing".
        severity: "error" (the result is wrong), "warning" (it is worse than it need be) or "note".
        explanation: What it is about, in one sentence.
        details: Why it matters, at more length.
        fix: What to change.
        source: The paper, the diffusers issue or the code that it is based on.
        check: The function.
    """

    id: str
    theme: str
    severity: str
    explanation: str
    details: str
    fix: str
    source: str
    check: "Check"


_RULES: dict[str, Rule] = {}


def rule(
    id: str, severity: str, *, explanation: str, details: str, fix: str, source: str
) -> "Callable[[Check], Check]":
    """Return a decorator that registers a rule; registering an id again replaces it.

    Raises:
        ValueError: If the severity is unknown.
    """
    if severity not in SEVERITIES:
        raise ValueError(unknown("severity", severity, SEVERITIES))

    def register(check: "Check") -> "Check":
        theme = check.__module__.rpartition(".")[2]
        _RULES[id] = Rule(id, theme, severity, explanation, details, fix, source, check)
        return check

    return register


def all_rules() -> dict[str, Rule]:
    """Return every rule by id; the modules that hold rules are found and imported here."""
    import_registering("sdlab.linting", "rule")
    return dict(_RULES)
