"""The one worker of this server, and what every page asks of it."""

import threading
from functools import partial
from pathlib import Path

from streamlit import runtime

from dashboard.serving import serving
from dashboard.shell.messages import sentence
from dashboard.shell.sign_in import is_operator
from dashboard.worker.snapshots import RunSnapshot
from dashboard.worker.stored_runs import StoredRun, stored_run
from dashboard.worker.tidying import Tidying
from dashboard.worker.worker import Worker

_started: list[Worker] = []
_tidying: list[Tidying] = []
_starting = threading.Lock()


def lab() -> Worker:
    """Return the worker that all sessions share; the first call starts it.

    It is no resource of Streamlit's cache: any browser can have that cleared, for everybody, and
    a second worker would be started beside the first.
    """
    with _starting:
        if not _started:
            who = partial(is_operator, serving=serving())
            made = Worker(
                runs_root(), sentence, connected=_connected, after_page=True, operator=who
            )
            _started.append(made)
        return _started[0]


def tidying() -> Tidying:
    """Return what tidies the store of this server; the first call starts it."""
    with _starting:
        if not _tidying:
            _tidying.append(Tidying(runs_root(), serving().retention))
        return _tidying[0]


def runs_root() -> Path:
    """Return the folder of the stored runs."""
    from sdlab import runs as store

    return store.runs_root()


def find(run: str) -> StoredRun | RunSnapshot | None:
    """Return a run by id: running, ended without a picture, or stored; None if unknown."""
    job = lab().get_run(run)
    if job is not None and job.state != "done":
        return job
    return stored_run(lab().runs, run)


def stop_worker() -> None:
    """End the worker and the tidying, if they were started, and start no others."""
    for worker in _started:
        worker.stop()
    for tidier in _tidying:
        tidier.stop()


def _connected(session: str) -> bool:
    return not runtime.exists() or bool(runtime.get_instance().is_active_session(session))
