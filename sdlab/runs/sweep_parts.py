"""Which stored runs are cells of which stored sweep."""

import json
import os
from functools import lru_cache
from pathlib import Path

from sdlab.errors import StoreError
from sdlab.experiment.axis import Axis
from sdlab.experiment.experiment import Experiment
from sdlab.runs import RUN_ID
from sdlab.runs.reading import check_folder, read_file, read_parquet

SWEEPS = ".sweeps"
"""Folder of what is kept of sweeps beside their runs, in the folder of all runs."""
SPEC, TABLE = "sweep.json", "table.parquet"
CELLS = "cells.json"
"""The ids of a sweep's runs, noted before the first is made; sweeps of before 0.8 have none."""
LIMIT = 2**28


def cells(root: Path) -> dict[str, str]:
    """Return the sweep that each run is a cell of, by the run's id.

    Of several it is the one that was asked for first. Of a sweep of before 0.8 the cells are known
    once it has ended.
    """
    if os.path.islink(root / SWEEPS):
        return {}
    try:
        with os.scandir(root / SWEEPS) as entries:
            found = [(e.stat().st_mtime_ns, e.name) for e in entries if RUN_ID.fullmatch(e.name)]
    except OSError:
        return {}
    of: dict[str, str] = {}
    for age, name in sorted(found, reverse=True):
        of |= dict.fromkeys(_cells(root / SWEEPS / name, age), name)
    return of


def is_sweep(root: Path, name: str) -> bool:
    """Return whether a stored sweep has an id."""
    return bool(RUN_ID.fullmatch(name)) and (root / SWEEPS / name / SPEC).is_file()


def sweep_title(root: Path, sweep: str) -> str:
    """Return what a sweep varies, in short: its fields and the prompt; its id if damaged."""
    folder = root / SWEEPS / sweep
    try:
        return _title(folder, (folder / SPEC).stat().st_mtime_ns)
    except OSError:
        return sweep


@lru_cache(maxsize=10_000)
def _title(folder: Path, age: int) -> str:
    try:
        told = json.loads(read_file(check_folder(folder) / SPEC, LIMIT))
        fields = [Axis.from_dict(axis).field.replace("_", " ") for axis in told["axes"]]
        base = Experiment.from_dict(told["base"])
        return f"{' x '.join(fields)}: {base.prompt[:60]}"
    except (OSError, StoreError, ValueError, LookupError, TypeError, RecursionError):
        return folder.name


@lru_cache(maxsize=10_000)
def _cells(folder: Path, age: int) -> tuple[str, ...]:
    """Return the runs of one sweep; ``age`` is its folder's, so that a new one is read."""
    try:
        told = json.loads(read_file(check_folder(folder) / CELLS, LIMIT))
    except FileNotFoundError:
        return _of_table(folder / TABLE)
    except (OSError, StoreError, ValueError, RecursionError):
        return ()
    listed = told if isinstance(told, list) else []
    return tuple(run for run in listed if isinstance(run, str) and RUN_ID.fullmatch(run))


def _of_table(path: Path) -> tuple[str, ...]:
    try:
        return tuple(map(str, read_parquet(path, ("run",))["run"]))
    except StoreError:
        return ()
