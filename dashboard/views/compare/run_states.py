"""Where the runs of a comparison stand, and the runs themselves once they have ended.

Nothing here computes: the worker's queue makes the runs, the disk has what is done.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.worker.snapshots import LIVE
from dashboard.worker.stored_runs import open_stored, stored_run
from dashboard.worker.worker import Worker
from sdlab.comparing.needed_runs import NeededRuns
from sdlab.errors import SdlabError
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from sdlab.comparing.run import Runner
    from sdlab.runs.run import Run
    from sdlab.work import Work


@dataclass(frozen=True)
class RunState:
    """The state of one run of a comparison.

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


def states(worker: Worker, needed: NeededRuns) -> dict[str, RunState]:
    """Return the state of every run by its id; reads from disk only what the worker lacks."""
    return {e.id: _state(worker, e.id) for e in needed.experiments}


def progress(found: Mapping[str, RunState], needed: NeededRuns) -> tuple[int, int]:
    """Return the evaluations done and in all, as far as they are known."""
    done = total = 0
    for experiment in needed.experiments:
        state = found[experiment.id]
        nfe = state.nfe or _guess(experiment)
        total += nfe
        done += state.evaluation if state.live else nfe
    return done, total


class RunFailed(SdlabError):
    """A run that failed, with the worker's message."""


def queue_runner(worker: Worker) -> "Runner":
    """Return a runner that finds what the worker's queue has made, yielding (read, in all).

    It does not wait: a run that is still in progress, or was never asked for, is left out.
    """
    return partial(_found, worker)


def _found(worker: Worker, experiments: Sequence[Experiment]) -> "Work[dict[str, Run | Exception]]":
    runs: dict[str, Run | Exception] = {}
    for number, experiment in enumerate(experiments, start=1):
        run = _run(worker, experiment.id)
        if run is not None:
            runs[experiment.id] = run
        yield number, len(experiments)
    return runs


def _run(worker: Worker, run: str) -> "Run | Exception | None":
    from sdlab.comparing.outcomes import Cancelled

    state = _state(worker, run)
    if state.state == "failed":
        return RunFailed(state.error or "The run failed.")
    if state.state == "cancelled":
        return Cancelled()
    if state.state != "done":
        return None
    try:
        return open_stored(worker.runs, run)
    except SdlabError as error:
        return error


def made_by(runs: Path, run: str) -> str | None:
    """Return the hash of the weights that made a stored run, or None if it is not stored."""
    stored = _stored(runs, run, _changed(runs, run))
    return stored[1] if stored else None


def _guess(experiment: Experiment) -> int:
    from sdlab.solvers.registry import solvers

    known = solvers().get(experiment.solver)
    return experiment.num_steps * (known.stages if known else 1)


def _state(worker: Worker, run: str) -> RunState:
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
