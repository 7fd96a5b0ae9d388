"""Which comparisons were asked for on the Compare page, noted beside the runs.

So a reload, a second browser and the next server find the same runs.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from dashboard.worker.own_folder import own_folder
from dashboard.worker.worker import Worker
from sdlab.comparing.comparison import Cell, Comparison
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.needed_runs import NeededRuns
from sdlab.errors import StoreError
from sdlab.experiment.experiment import Experiment
from sdlab.runs import RUN_ID
from sdlab.runs.atomic import write_file
from sdlab.runs.reading import read_file

FOLDER = "comparisons"
LIMIT = 2**28


def ask(
    worker: Worker,
    needed: NeededRuns,
    mix: bool | None = None,
    owner: str = "",
    session: str = "",
) -> None:
    """Note a comparison on disk and ask the worker for every run that is not stored.

    Its runs are listed anew: an earlier version may have noted others than a result now needs.

    Args:
        worker: That makes them.
        needed: The runs.
        mix: Whether they may share network calls; None as it was noted.
        owner: Whose it is; "" is nobody in particular.
        session: The browser session that asks.

    Raises:
        ValueError: If an entrant takes no number of steps that a budget pays for.
        StoreError: If the disk cannot be written.
        LimitError: If its runs are more than one person may have.
        NotYoursError: If somebody else's run, made by other weights, would be lost.
    """
    needed = NeededRuns.of(needed.comparison, needed.model)
    worker.asked_runs.claim(in_turn(needed), owner, session)
    shares = may_share(worker.runs, needed.id) if mix is None else mix
    noted = asked_at(worker.runs, needed.id) > 0  # and has no result yet, or has one
    own = worker.owned.join if noted else worker.owned.own_asked
    own("comparison", [needed.id], owner)
    text = json.dumps(_to_dict(needed, shares), default=str).encode()
    write_file(_path(worker.runs, needed.id), lambda stream: stream.write(text))
    for experiment in in_turn(needed):
        worker.submit(experiment, frames=False, owner=owner, session=session, mix=shares)


def asked(runs: Path, comparison: str) -> NeededRuns | None:
    """Return the runs that were asked for under a comparison's id, or None.

    Raises:
        StoreError: If its file is damaged.
    """
    if not RUN_ID.fullmatch(comparison):
        return None
    path = _path(runs, comparison)
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return None
    return _read(path, changed)


def forget(runs: Path, comparison: str) -> None:
    """Forget that a comparison was asked for; runs of it that wait are made all the same.

    Raises:
        StoreError: If the disk cannot be written.
    """
    path = _path(runs, comparison)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be deleted: {error.strerror}.") from error


def asked_at(runs: Path, comparison: str) -> float:
    """Return when a comparison was last asked for, seconds of the clock; 0 if it never was."""
    try:
        return _path(runs, comparison).stat().st_mtime
    except OSError:
        return 0.0


def in_turn(needed: NeededRuns) -> list[Experiment]:
    """Return all runs, each once: references first, which take longest, then picture by picture."""
    order = {picture: number for number, picture in enumerate(needed.comparison.pictures)}
    first = needed.comparison.budget
    cells = sorted(needed.cells, key=lambda c: (c.budget != first, order[c.prompt, c.seed]))
    runs = (*needed.of_references, *(cell.experiment for cell in cells))
    return list({run.id: run for run in runs}.values())


def _path(runs: Path, comparison: str) -> Path:
    return own_folder(runs, FOLDER) / f"{comparison}.json"


def may_share(runs: Path, comparison: str) -> bool:
    """Return whether the runs of a comparison may share calls; of an unknown one they may.

    So did all that were made by earlier versions, and so they do on the command line.
    """
    return _mixes(_path(runs, comparison), asked_at(runs, comparison))


@lru_cache(maxsize=256)
def _mixes(path: Path, changed: float) -> bool:
    try:
        noted = json.loads(read_file(path, LIMIT))
    except (OSError, StoreError, ValueError, RecursionError):
        return True
    return not isinstance(noted, dict) or noted.get("mix") is not False


def _to_dict(needed: NeededRuns, mix: bool) -> dict[str, Any]:
    return {
        "mix": mix,
        "comparison": needed.comparison.to_dict(),
        "model": {"name": needed.model.name, "hash": needed.model.hash},
        "pipeline": needed.model.pipeline,
        "config": dict(needed.model.config),
        "cells": [[*cell[:4], cell.experiment.to_dict()] for cell in needed.cells],
    }


@lru_cache(maxsize=32)
def _read(path: Path, changed: int) -> NeededRuns:
    try:
        values = json.loads(read_file(path, LIMIT))
        comparison = Comparison.from_dict(values["comparison"])
        cells = tuple(Cell._make([*c[:4], Experiment.from_dict(c[4])]) for c in values["cells"])
        pipeline = values.get("pipeline", "")  # notes of earlier versions do not tell
        model = ModelFacts(**values["model"], config=values["config"], pipeline=pipeline)
        references = tuple(comparison.references(model.config))
        return NeededRuns(comparison, cells, references, model)
    except (OSError, StoreError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise StoreError(f"{path} cannot be read: {error}. Compare again to replace it.") from error
