"""One table of many runs: the rows of all of them, one run below the other.

A run's own tables say whose a row is in their column ``run``; ``settings`` puts columns of the
table of runs beside it, so that a spreadsheet or pandas can group by solver, seed or model. What
the reader cannot hold in memory is had as CSV, run by run.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sdlab.columns import FLOW, JOINT_ATTENTION, OPTIONAL_TABLES, RUNS, TABLES, TOKENIZER
from sdlab.errors import StoreError, unknown
from sdlab.runs import find_run, runs_root
from sdlab.runs.atomic import write_file
from sdlab.runs.export import csv_blocks, table_blocks
from sdlab.runs.listing import list_runs
from sdlab.runs.run_folder import read_table

if TYPE_CHECKING:
    import pandas as pd

OF_RUNS = "runs"
NAMES = (OF_RUNS, *TABLES, *OPTIONAL_TABLES)
"""The table of runs itself, and those that each run has; attention only where it was recorded."""
KINDS = ("csv", "parquet")
USUAL = ("solver", "curve", "num_steps", "guidance_scale", "seed")
"""Settings that most people group by."""
_COLUMNS = {
    **TABLES,
    **OPTIONAL_TABLES,
    "steps": {**TABLES["steps"], **FLOW},
    "tokens": {**TABLES["tokens"], **TOKENIZER},
    "attention": {**OPTIONAL_TABLES["attention"], **JOINT_ATTENTION},
}
"""Those that only some models have are empty for the others, so that all runs have the same."""


def chosen_runs(
    root: str | Path | None = None, runs: Sequence[str] | None = None, **search: object
) -> "pd.DataFrame":
    """Return the table of the runs that are named, in that order, or that a search finds.

    Args:
        root: The folder of all runs; None for ``runs_root()``.
        runs: Their ids, or how they begin; None for all that the search finds.
        search: Fields of ``sdlab.runs.search.Search``; damaged runs are left out unless asked for.

    Raises:
        ValueError: If both are given, or the search is not valid.
        StoreError: If a run that is named is not stored, or cannot be read.
    """
    if runs is not None and search:
        raise ValueError("name runs, or search for them; not both.")
    found = list_runs(root, **{"problem": False, **search})  # type: ignore[arg-type]
    if runs is None:
        return found
    place = Path(root or runs_root()).expanduser()
    ids = list(dict.fromkeys(find_run(place, run).name for run in runs))
    if absent := [run for run in ids if run not in set(found["run"])]:
        raise StoreError(f"Run {absent[0]} is damaged; `sdlab runs ls` says what is wrong with it.")
    return found.set_index("run", drop=False).loc[ids].reset_index(drop=True)


def table_of(name: str, runs: "pd.DataFrame", settings: Sequence[str] = ()) -> "pd.DataFrame":
    """Return one table of many runs.

    Args:
        name: One of ``NAMES``.
        runs: Whose, as ``chosen_runs`` or ``sdlab.runs()`` returns them.
        settings: Columns of ``runs`` that each row is given too, such as "solver"; one that the
            table has itself is then called "run_..." as in ``run_prompt``.

    Raises:
        ValueError: If there is no such table or column, or no run has that table.
        StoreError: If a run's table cannot be read.
    """
    import pandas as pd

    return pd.concat(table_parts(name, runs, settings), ignore_index=True)


def table_parts(
    name: str, runs: "pd.DataFrame", settings: Sequence[str] = ()
) -> "Iterator[pd.DataFrame]":
    """Return the parts of ``table_of``, a run's at a time, all with the same columns.

    Raises:
        ValueError: As ``table_of``.
        StoreError: Likewise; while the parts are read.
    """
    if name not in NAMES:
        raise ValueError(unknown("table", name, NAMES))
    for column in settings:
        if column not in RUNS:
            raise ValueError(unknown("column of runs", column, RUNS))
    if name == OF_RUNS:
        return iter([runs])
    having = [Path(path) for path in runs["path"] if name in TABLES or _has(Path(path), name)]
    if not having:
        raise ValueError(
            "There is no run to take a table of."
            if runs.empty
            else f"None of these {len(runs):,} runs has the table {name!r}."
        )
    known = runs.set_index("run")
    return (_part(folder, name, known, settings) for folder in having)


def blocks_of(
    name: str, runs: "pd.DataFrame", kind: str, settings: Sequence[str] = ()
) -> Iterator[bytes]:
    """Return a table of many runs as a file in blocks; CSV needs memory for one run at a time.

    Args:
        name: As for ``table_of``.
        runs: Likewise.
        kind: "csv", safe for a spreadsheet, or "parquet".
        settings: As for ``table_of``.

    Raises:
        ValueError: As ``table_of``, or if the kind is another.
    """
    if kind not in KINDS:
        raise ValueError(unknown("kind of table", kind, KINDS))
    parts = table_parts(name, runs, settings)
    if kind == "csv":
        return _csv(parts)
    import pandas as pd

    return table_blocks(pd.concat(parts, ignore_index=True), kind)


def write_table(
    name: str, runs: "pd.DataFrame", target: str | Path, settings: Sequence[str] = ()
) -> Path:
    """Write a table of many runs to a file, and return its path.

    Args:
        name: As for ``table_of``.
        runs: Likewise.
        target: Of the file; its ending, .csv or .parquet, says which kind it is.
        settings: As for ``table_of``.

    Raises:
        ValueError: As ``table_of``, or if the ending is another.
        StoreError: If a run's table cannot be read or the file not be written; none is left half.
    """
    path = Path(target).expanduser()
    kind = path.suffix.lower().removeprefix(".")
    if kind not in KINDS:
        raise ValueError(f"The file must end in .csv or .parquet, got {path.name!r}.")
    return write_file(path, partial(_write, blocks_of(name, runs, kind, settings)))


def _has(folder: Path, name: str) -> bool:
    path = folder / f"{name}.parquet"
    return path.is_file() and not path.is_symlink()


def _part(folder: Path, name: str, runs: "pd.DataFrame", settings: Sequence[str]) -> "pd.DataFrame":
    table = read_table(folder, name).assign(run=folder.name)
    table = table.reindex(columns=list(_COLUMNS[name]))
    for column in reversed(settings):
        named = f"run_{column}" if column in table else column
        if column != "run":
            table.insert(1, named, [runs.at[folder.name, column]] * len(table))
    return table


def _csv(parts: "Iterator[pd.DataFrame]") -> Iterator[bytes]:
    for number, part in enumerate(parts):
        yield from csv_blocks(part, header=number == 0)


def _write(blocks: Iterator[bytes], stream: BinaryIO) -> None:
    for block in blocks:
        stream.write(block)
