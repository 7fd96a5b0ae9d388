"""The one worker of this server, and what every page asks of it."""

import threading
from functools import partial
from pathlib import Path

from streamlit import runtime

from dashboard.serving import serving
from dashboard.shell.messages import sentence
from dashboard.shell.model_asker import asker
from dashboard.shell.sign_in import is_operator
from dashboard.worker.model_room import ModelRoom
from dashboard.worker.model_rules import ModelRules
from dashboard.worker.sessions import tab_of
from dashboard.worker.snapshots import RunSnapshot
from dashboard.worker.stored_runs import StoredRun, stored_run
from dashboard.worker.tidying import Tidying
from dashboard.worker.worker import Worker
from sdlab.models.memory import GIB

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
            _started.append(_worker())
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
    job = lab().known_runs.get(run)
    if job is not None and job.state != "done":
        return job
    return stored_run(lab().runs, run)


def started() -> Worker | None:
    """Return the worker if there is one by now; unlike ``lab`` it starts none."""
    return _started[-1] if _started else None


def stop_worker() -> None:
    """End the worker and the tidying, if they were started, and start no others."""
    for worker in _started:
        worker.stop()
    for tidier in _tidying:
        tidier.stop()


def _worker() -> Worker:
    return Worker(
        runs_root(),
        sentence,
        connected=_connected,
        after_page=True,
        operator=partial(is_operator, serving=serving()),
        models=_models(),
        keeping=serving().retention,
        limits=serving().limits,
        max_call_seconds=serving().max_call_seconds,
    )


def _models() -> ModelRules:
    settings = serving()
    limit = None if settings.models_gib is None else int(settings.models_gib * GIB)
    room = ModelRoom(settings.models_in_memory, limit)
    return ModelRules(room, tuple(listed.request for listed in settings.models), asker)


def _connected(session: str) -> bool:
    return not runtime.exists() or bool(runtime.get_instance().is_active_session(tab_of(session)))
