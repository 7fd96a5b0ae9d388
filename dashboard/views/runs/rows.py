"""The rows of the list: runs, and comparisons whose parts are folded under them."""

import hashlib
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from dashboard.shell.address import given, keep
from dashboard.shell.lab import lab
from sdlab.runs.folding import PARTS, UNDER
from sdlab.runs.index import RunIndex
from sdlab.runs.parts import kind_of
from sdlab.runs.search import Search

ROW = "row"
"""Column that names a row: a run's id, or that of a comparison after ``FOLD``."""
FOLD = "comparison "
_OPENED = "open"


class Listed(NamedTuple):
    """Which rows are listed.

    Attributes:
        search: What is looked for.
        folded: Whether the parts of a comparison are one row.
        limit: The most rows.
        offset: Rows that are passed over.
    """

    search: Search
    folded: bool
    limit: int
    offset: int = 0

    @property
    def opened(self) -> tuple[str, ...]:
        """The comparisons whose parts are shown below their rows, from the address."""
        return opened() if self.folded else ()

    def rows(self, index: RunIndex) -> pd.DataFrame:
        """Return the rows; columns as ``RunIndex.folded`` has them, and ``ROW``."""
        search, _, limit, offset = self
        if self.folded:
            found = index.folded(search, self.opened, limit, offset)
        else:
            found = index.find(search, limit, offset).assign(**{PARTS: 0, UNDER: False})
        folds = found[PARTS] > 0
        return found.assign(**{ROW: found["run"].mask(folds, FOLD + found["comparison"])})

    def row_count(self, index: RunIndex, runs: int) -> int:
        """Return how many rows there are on all pages; ``runs`` is how many are found."""
        return index.folded_rows(self.search, self.opened) if self.folded else runs


def opened() -> tuple[str, ...]:
    """Return the comparisons that the address says to be opened."""
    return tuple(filter(None, given(_OPENED).split(",")))


def page_of(comparison: str) -> str:
    """Return the page that opens a row of parts, by its id."""
    return "sweep" if kind_of(lab().runs, comparison) == "sweep" else "compare"


def turn(comparison: str) -> None:
    """Open a comparison's row, or fold its parts away."""
    now = opened()
    others = [name for name in now if name != comparison]
    keep(_OPENED, ",".join(others if comparison in now else [*now, comparison]))


def runs_of(rows: pd.DataFrame, index: RunIndex, search: Search) -> dict[str, tuple[str, ...]]:
    """Return, for each row by its name, the ids of the runs that it stands for."""
    found: dict[str, tuple[str, ...]] = {}
    for name, run, comparison, parts in rows[[ROW, "run", "comparison", PARTS]].itertuples(False):
        of = replace(search, comparison=comparison) if parts else None
        found[name] = tuple(index.find(of)["run"]) if of else (run,)
    return found


def digest(*values: object) -> str:
    """Return a text for a widget's key that is another for other values."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]
