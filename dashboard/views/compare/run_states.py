"""Where the runs of a comparison stand, and the runs themselves once they have ended.

Nothing here computes: the worker's queue makes the runs, the disk has what is done.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from dashboard.widgets.run_states import RunState, run_state
from dashboard.worker.stored_runs import open_stored
from dashboard.worker.worker import Worker
from sdlab.comparing.needed_runs import NeededRuns
from sdlab.errors import SdlabError
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from sdlab.comparing.run import Runner
    from sdlab.runs.run import Run
    from sdlab.work import Work


def states(worker: Worker, needed: NeededRuns) -> dict[str, RunState]:
    """Return the state of every run by its id; reads from disk only what the worker lacks."""
    return {e.id: run_state(worker, e.id) for e in needed.experiments}


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

    state = run_state(worker, run)
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
