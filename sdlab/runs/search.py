"""What is looked for among the stored runs, and the SQL that finds it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sdlab.columns import RUNS
from sdlab.errors import shown, unknown
from sdlab.experiment.spec import check_text

SEARCHED = (
    *("run", "prompt", "negative_prompt", "solver", "curve", "model", "options", "tags", "note"),
    "owner",
)
"""Columns in which words are looked for."""

ALL, ALONE = "all", "alone"
MOST_WORDS = 100
"""DuckDB takes seconds for conditions of many hundred terms, and of thousands ends the process."""
_HAYSTACK = f"lower(concat_ws(' ', {', '.join(SEARCHED)}))"
_SWITCHES = {"True": True, "False": False, "None": None}
_TAGS = "string_split(tags, ', ')"
_OWNERS = "string_split(owner, ', ')"
MANY = ("run", "solver", "model", "tag", "owner")
"""Fields of several values."""


@dataclass(frozen=True)
class Search:
    """Which runs, in which order.

    Attributes:
        text: Words, up to ``MOST_WORDS``, of which each must be somewhere in ``SEARCHED``, in any
            case.
        solver: Names of which the solver is one; () for any.
        model: Names of which the model is one; () for any.
        tag: Tags that it must all have.
        star: Whether only those with a star.
        since: The first day (UTC) or moment.
        until: The last day (UTC), which is included, or the moment before which.
        comparison: "all"; "alone" for those that are part of no comparison and no
            sweep; or the id of either.
        problem: Whether the damaged folders; else the whole runs; None for both.
        order: The column to sort by; missing values come last.
        descending: Whether the greatest comes first.
        run: Ids of which the run's is one; () for any.
        owner: Who owns it, one of these; "" for nobody in particular; () for any.

    Raises:
        ValueError: If ``order`` is no column, a day is none, or there are too many words.
    """

    text: str = ""
    solver: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    star: bool = False
    since: date | None = None
    until: date | None = None
    comparison: str = ALL
    problem: bool | None = False
    order: str = "created"
    descending: bool = True
    run: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.order not in RUNS:
            raise ValueError(unknown("column of runs", self.order, RUNS))
        for name in MANY:
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        for name in ("since", "until"):
            object.__setattr__(self, name, _day(name, getattr(self, name)))
        many = (text for name in MANY for text in getattr(self, name))
        for text in (self.text, self.comparison, *many):
            check_text("what is looked for", text)
        if len(self._words) > MOST_WORDS:
            raise ValueError(
                f"text must be at most {MOST_WORDS} words, got {len(self._words):,}; leave some"
                " out."
            )

    @property
    def _words(self) -> list[str]:
        """The words of ``text``, each once."""
        return list(dict.fromkeys(self.text.lower().split()))

    @property
    def where(self) -> tuple[str, list[Any]]:
        """The condition in SQL, with a question mark for each of the values beside it."""
        found: list[tuple[str, list[Any]]] = [
            (f"contains({_HAYSTACK}, ?)", [word]) for word in self._words
        ]
        if self.tag:
            found.append((f"list_has_all({_TAGS}, ?::VARCHAR[])", [list(self.tag)]))
        if self.owner:
            found.append((f"list_has_any({_OWNERS}, ?::VARCHAR[])", [list(self.owner)]))
        for name in ("run", "solver", "model"):
            if values := getattr(self, name):
                found.append((f"{name} IN (SELECT unnest(?::VARCHAR[]))", [list(values)]))
        if self.star:
            found.append(("star", []))
        if self.since is not None:
            found.append(("created >= ?", [self.since]))
        if self.until is not None:
            found.append(("created < ?", [_end(self.until)]))
        if self.comparison == ALONE:
            found.append(("comparison = ''", []))
        elif self.comparison != ALL:
            found.append(("comparison = ?", [self.comparison]))
        if self.problem is not None:
            found.append((f"problem {'<>' if self.problem else '='} ''", []))
        terms = [term for term, _ in found] or ["true"]
        return " AND ".join(terms), [value for _, values in found for value in values]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """What is not at its default, as names and texts for an address; ``of_pairs`` reads it."""
        found: list[tuple[str, str]] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                values = value if isinstance(value, tuple) else (value,)
                found += [(field.name, str(one)) for one in values]
        return found

    @classmethod
    def of_pairs(cls, pairs: Iterable[tuple[str, str]]) -> "Search":
        """Return the search of ``pairs``, from wherever they come.

        Raises:
            ValueError: If a name is no field or a text no value.
        """
        given: dict[str, Any] = {}
        known = {field.name: field.default for field in fields(cls)}
        for name, text in pairs:
            if name not in known:
                raise ValueError(unknown("field of a search", name, known))
            if isinstance(known[name], tuple):
                given[name] = (*given.get(name, ()), text)
            elif isinstance(known[name], bool):
                given[name] = _SWITCHES.get(text, False)
            else:
                given[name] = text
        return cls(**given)

    @property
    def by(self) -> str:
        """The order in SQL; runs that are equal in it come in the order of their ids."""
        return f'"{self.order}" {"DESC" if self.descending else "ASC"} NULLS LAST, run'


def _day(name: str, value: Any) -> date | None:
    """Return a day, or a moment in UTC without its zone, as the times of runs are."""
    found = value
    try:
        if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value):
            kind = date if len(value) == len("2026-01-31") else datetime
            found = kind.fromisoformat(value)
        if isinstance(found, datetime) and found.tzinfo:
            found = found.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        found = value
    if found is None or isinstance(found, date):
        return found
    raise ValueError(f"{name} must be a day such as 2026-01-31, got {shown(value)}.")


def _end(until: date) -> date:
    if isinstance(until, datetime):
        return until
    return datetime.max if until == date.max else until + timedelta(days=1)
