"""Where a run stands: waiting, in progress, ended, or stored.

Nothing here computes: the worker's queue makes the runs, the disk has what is done.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dashboard.worker.snapshots import LIVE
from dashboard.worker.stored_runs import stored_run
from dashboard.worker.worker import Worker
from sdlab.experiment.experiment import Experiment


@dataclass(frozen=True)
class RunState:
    """The state of one run.

    Attributes:
        state: As the worker names it; "done" if it is stored, "missing" if it is unknown.
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


def made_by(runs: Path, run: str) -> str | None:
    """Return the hash of the weights that made a stored run, or None if it is not stored."""
    stored = _stored(runs, run, _changed(runs, run))
    return stored[1] if stored else None


def progress(found: Mapping[str, RunState], experiments: Iterable[Experiment]) -> tuple[int, int]:
    """Return the evaluations done and in all of some runs, as far as they are known."""
    done = total = 0
    for experiment in experiments:
        state = found[experiment.id]
        nfe = state.nfe or evaluations_of(experiment)
        total += nfe
        done += state.evaluation if state.live else nfe
    return done, total


def evaluations_of(experiment: Experiment) -> int:
    """Return how many evaluations a run will likely take, before the worker knows."""
    from sdlab.solvers.registry import solvers

    known = solvers().get(experiment.solver)
    return experiment.num_steps * (known.stages if known else 1)


def run_state(worker: Worker, run: str) -> RunState:
    """Return the state of a run by its id; reads from disk only what the worker lacks."""
    view = worker.get_run(run)
    if view is not None and view.state != "done":
        seen = f"{zlib.crc32(view.preview):08x}" if view.preview else ""
        return RunState(view.state, view.done, view.total, view.error, seen)
    stored = _stored(worker.runs, run, _changed(worker.runs, run))
    return RunState("missing") if stored is None else RunState("done", stored[0], stored[0])


def _changed(runs: Path, run: str) -> int:
    try:
        return (runs / run / "manifest.json").stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=4096)
def _stored(runs: Path, run: str, changed: int) -> tuple[int, str] | None:
    """Return evaluations and weights of a stored run; ``changed`` is its time, for the cache."""
    stored = stored_run(runs, run) if changed else None
    if stored is None:
        return None
    return int(stored.manifest.get("nfe") or 0), str(stored.manifest["model"].get("hash"))
