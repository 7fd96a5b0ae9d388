"""The one worker of this server, and what every page asks of it."""

from pathlib import Path

import streamlit as st
from streamlit import runtime

from dashboard.shell.messages import sentence
from dashboard.worker.snapshots import RunSnapshot
from dashboard.worker.stored_runs import StoredRun, stored_run
from dashboard.worker.worker import Worker

_started: list[Worker] = []


@st.cache_resource(show_spinner=False)
def lab() -> Worker:
    """Return the worker that all sessions share; the first call starts it."""
    _started.append(Worker(runs_root(), sentence, connected=_connected, after_page=True))
    return _started[-1]


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
    """End the worker, if one was started; runs in flight become interrupted."""
    while _started:
        _started.pop().stop()


def _connected(session: str) -> bool:
    return not runtime.exists() or bool(runtime.get_instance().is_active_session(session))
