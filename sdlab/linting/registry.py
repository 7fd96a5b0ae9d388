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
PATHS = ("vp", "flow")


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
        paths: On which paths it is looked for: "vp", "flow" (flow matching), or both.
    """

    id: str
    theme: str
    severity: str
    explanation: str
    details: str
    fix: str
    source: str
    check: "Check"
    paths: tuple[str, ...] = PATHS


_RULES: dict[str, Rule] = {}


def rule(
    id: str,
    severity: str,
    *,
    explanation: str,
    details: str,
    fix: str,
    source: str,
    path: str | None = None,
) -> "Callable[[Check], Check]":
    """Return a decorator that registers a rule; registering an id again replaces it.

    Args:
        id: See ``Rule``, as the others.
        severity: One of ``SEVERITIES``.
        explanation: In one sentence.
        details: At more length.
        fix: What to change.
        source: What it is based on.
        path: "vp" or "flow" for a rule that has no meaning on the other path.

    Raises:
        ValueError: If the severity or the path is unknown.
    """
    if severity not in SEVERITIES:
        raise ValueError(unknown("severity", severity, SEVERITIES))
    if path is not None and path not in PATHS:
        raise ValueError(unknown("path of a rule", path, PATHS))

    def register(check: "Check") -> "Check":
        theme = check.__module__.rpartition(".")[2]
        paths = PATHS if path is None else (path,)
        _RULES[id] = Rule(id, theme, severity, explanation, details, fix, source, check, paths)
        return check

    return register


def all_rules() -> dict[str, Rule]:
    """Return every rule by id; the modules that hold rules are found and imported here."""
    import_registering("sdlab.linting", "rule")
    return dict(_RULES)
