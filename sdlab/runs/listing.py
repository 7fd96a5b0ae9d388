"""Lists the stored runs, those asked for, in the order asked for; see ``sdlab.runs.index``."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.columns import RUNS
from sdlab.errors import unknown
from sdlab.runs.index import index_of
from sdlab.runs.parts import kind_of, title
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
    wanted, index = _search(search), index_of(root)
    index.refresh()
    return index.find(wanted, limit)


def list_folded(
    root: str | Path | None = None, *, limit: int | None = None, **search: Any
) -> "pd.DataFrame":
    """Return one row for each run that is part of no comparison or sweep, and for each of these.

    A comparison's row has its id, how many of its runs were found and what was compared, and what
    else its first part has.

    Args:
        root: As for ``list_runs``.
        limit: The most rows; None for all.
        search: As for ``list_runs``.

    Raises:
        ValueError: As of ``list_runs``.
    """
    wanted, index = _search(search), index_of(root)
    index.refresh()
    rows = index.folded(wanted, limit=limit)
    folds = rows["parts"] > 0
    of = rows.loc[folds, ["comparison", "parts"]].itertuples(index=False)
    names = [_named(index.root, name, parts) for name, parts in of]
    rows.loc[folds, "run"] = rows["comparison"][folds]
    rows.loc[folds, "prompt"] = names
    rows.loc[folds, "solver"] = ""
    rows.loc[folds, ["num_steps", "seed"]] = None
    return rows[list(RUNS)]


def _named(root: Path, name: str, parts: int) -> str:
    many = "run" if parts == 1 else "runs"
    return f"{kind_of(root, name)} of {parts} {many}: {title(root, name)}"


def _search(fields_: dict[str, Any]) -> Search:
    known = [field.name for field in fields(Search)]
    for name in fields_:
        if name not in known:
            raise ValueError(unknown("field of a search", name, known))
    return Search(**{"problem": None, **fields_})
