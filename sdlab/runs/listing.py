"""Lists the stored runs, those asked for, in the order asked for; see ``sdlab.runs.index``."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.columns import RUNS
from sdlab.errors import unknown
from sdlab.runs.index import index_of
from sdlab.runs.search import Search

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = tuple(RUNS)


def list_runs(
    root: str | Path | None = None, *, limit: int | None = None, **search: Any
) -> "pd.DataFrame":
    """Return one row for every run folder, the newest first.

    A folder that cannot be read has a row too, with the reason in ``problem``.

    Args:
        root: The folder of all runs; None for ``runs_root()``.
        limit: The most rows; None for all.
        search: Which runs, in which order: the fields of ``sdlab.runs.search.Search``, such as
            ``text="red car"``, ``solver="heun"``, ``tag="good"``, ``order="seconds"``.

    Returns:
        A table with the columns of ``sdlab.columns.RUNS``.

    Raises:
        ValueError: If there is no such field, or its value is none.
    """
    known = [field.name for field in fields(Search)]
    for name in search:
        if name not in known:
            raise ValueError(unknown("field of a search", name, known))
    wanted = Search(**{"problem": None, **search})
    index = index_of(root)
    index.refresh()
    return index.find(wanted, limit)
