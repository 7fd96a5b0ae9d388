"""The runs of a comparison on their way: asked for once, found again by anybody.

What was asked for is written beside the runs, so that a reload, a second browser and the next
server find the same runs. Nothing here computes: the worker has the runs, the disk has what is
done.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dashboard.worker.snapshots import LIVE
from dashboard.worker.stored_runs import stored_run
from dashboard.worker.worker import Worker
from sdlab.comparing.comparison import Cell, Comparison, Reference
from sdlab.comparing.facts import Facts
from sdlab.errors import StoreError
from sdlab.experiment.experiment import Experiment
from sdlab.runs import RUN_ID
from sdlab.runs.atomic import write_file
from sdlab.runs.reading import read_file

FOLDER = "comparisons"
LIMIT = 2**28


@dataclass(frozen=True, eq=False)
class Batch:
    """A comparison with all its runs, as it was asked for.

    Attributes:
        comparison: What is compared.
        cells: One run for each sampler, picture and budget.
        references: The runs behind the references.
        facts: Of the model that was in memory.
    """

    comparison: Comparison
    cells: tuple[Cell, ...]
    references: tuple[Reference, ...]
    facts: Facts

    @property
    def id(self) -> str:
        """The comparison's id."""
        return self.comparison.id

    @property
    def experiments(self) -> list[Experiment]:
        """All runs, each once: references first, which take longest, then picture by picture."""
        found = {e.id: e for r in self.references for e in (r.fine, r.coarse)}
        pictures, first = self.comparison.pictures, self.comparison.budget
        order = {picture: number for number, picture in enumerate(pictures)}
        cells = sorted(self.cells, key=lambda c: (c.budget != first, order[c.prompt, c.seed]))
        return list((found | {c.experiment.id: c.experiment for c in cells}).values())

    def cells_of(self, prompt: str, seed: int, budget: int) -> list[Cell]:
        """Return the cells of one picture at one budget, in the order of the entrants."""
        return [c for c in self.cells if (c.prompt, c.seed, c.budget) == (prompt, seed, budget)]


@dataclass(frozen=True)
class RunState:
    """Where one run of a batch stands.

    Attributes:
        state: The worker's word for it; "done" if it is stored, "missing" if nobody knows it.
        evaluation: Evaluations done.
        nfe: Evaluations in all; 0 while unknown.
        error: Why it failed.
        preview: Changes with the picture that the worker holds of it; "" while there is none.
    """

    state: str
    evaluation: int = 0
    nfe: int = 0
    error: str = ""
    preview: str = ""

    @property
    def live(self) -> bool:
        """Whether it still waits or runs."""
        return self.state in LIVE


def planned(comparison: Comparison, facts: Facts) -> Batch:
    """Return a comparison's batch.

    Raises:
        ValueError: If an entrant takes no number of steps that a budget pays for.
    """
    cells = tuple(comparison.cells(facts.config))
    return Batch(comparison, cells, tuple(comparison.references()), facts)


def ask(worker: Worker, batch: Batch) -> None:
    """Note a batch on disk and ask the worker for every run that is not stored.

    Its runs are planned anew: an earlier version may have noted others than a result now wants.

    Raises:
        ValueError: If an entrant takes no number of steps that a budget pays for.
        StoreError: If the disk cannot be written.
    """
    batch = planned(batch.comparison, batch.facts)
    text = json.dumps(_to_dict(batch), default=str).encode()
    write_file(_path(worker.runs, batch.id), lambda stream: stream.write(text))
    for experiment in batch.experiments:
        worker.submit(experiment, frames=False)


def asked(runs: Path, comparison: str) -> Batch | None:
    """Return the batch that was asked for under an id, or None.

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


def asked_at(runs: Path, comparison: str) -> float:
    """Return when a batch was last asked for, seconds of the clock; 0 if it never was."""
    try:
        return _path(runs, comparison).stat().st_mtime
    except OSError:
        return 0.0


def states(worker: Worker, batch: Batch) -> dict[str, RunState]:
    """Return where every run stands, by its id; asks the disk only for what the worker forgot."""
    return {e.id: _state(worker, e.id) for e in batch.experiments}


def progress(found: Mapping[str, RunState], batch: Batch) -> tuple[int, int]:
    """Return the evaluations done and in all, as far as they are known."""
    done = total = 0
    for experiment in batch.experiments:
        state = found[experiment.id]
        nfe = state.nfe or _guess(experiment)
        total += nfe
        done += state.evaluation if state.live else nfe
    return done, total


def made_by(runs: Path, run: str) -> str | None:
    """Return the hash of the weights that made a stored run, or None if it is not stored."""
    stored = _stored(runs, run, _changed(runs, run))
    return stored[1] if stored else None


def _guess(experiment: Experiment) -> int:
    from sdlab.solvers.registry import solvers

    known = solvers().get(experiment.solver)
    return experiment.num_steps * (known.stages if known else 1)


def _state(worker: Worker, run: str) -> RunState:
    view = worker.get(run)
    if view is not None and view.state != "done":
        seen = f"{zlib.crc32(view.preview):08x}" if view.preview else ""
        return RunState(view.state, view.evaluation, view.nfe, view.error, seen)
    stored = _stored(worker.runs, run, _changed(worker.runs, run))
    return RunState("missing") if stored is None else RunState("done", stored[0], stored[0])


def _changed(runs: Path, run: str) -> int:
    try:
        return (runs / run / "manifest.json").stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=4096)
def _stored(runs: Path, run: str, changed: int) -> tuple[int, str] | None:
    """Return evaluations and weights of a stored run; ``changed`` makes a new one be read anew."""
    stored = stored_run(runs, run) if changed else None
    if stored is None:
        return None
    return int(stored.manifest.get("nfe") or 0), str(stored.manifest["model"].get("hash"))


def _path(runs: Path, comparison: str) -> Path:
    return runs / ".dashboard" / FOLDER / f"{comparison}.json"


def _to_dict(batch: Batch) -> dict[str, Any]:
    return {
        "comparison": batch.comparison.to_dict(),
        "model": {"name": batch.facts.name, "hash": batch.facts.hash},
        "config": dict(batch.facts.config),
        "cells": [[*cell[:4], cell.experiment.to_dict()] for cell in batch.cells],
    }


@lru_cache(maxsize=32)
def _read(path: Path, changed: int) -> Batch:
    try:
        values = json.loads(read_file(path, LIMIT))
        comparison = Comparison.from_dict(values["comparison"])
        cells = tuple(Cell(*c[:4], Experiment.from_dict(c[4])) for c in values["cells"])
        references = tuple(comparison.references())
        facts = Facts(**values["model"], config=values["config"])
        return Batch(comparison, cells, references, facts)
    except (OSError, StoreError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise StoreError(f"{path} cannot be read: {error}. Compare again to replace it.") from error
