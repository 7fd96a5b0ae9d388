"""Makes the result of a comparison once its runs have ended, in its own thread.

Summing up reads every run and takes seconds, so neither a page's script, which a click would
interrupt, nor the worker, whose runs would wait, can do it.
"""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import sentence
from dashboard.views.compare.run_states import queue_runner
from dashboard.worker.worker import Worker
from sdlab.comparing.needed_runs import NeededRuns
from sdlab.work import finish

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SummaryView:
    """How far the summing up of a comparison is.

    Attributes:
        live: Whether it still goes on.
        read: Runs read.
        total: Runs to read.
        error: What went wrong, in a sentence.
    """

    live: bool = True
    read: int = 0
    total: int = 0
    error: str = ""


class Summaries:
    """The summaries being made; for any thread.

    Args:
        worker: Whose queue has made the runs.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._views: dict[str, SummaryView] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, "sdlab-summary")

    def begin(self, needed: NeededRuns) -> None:
        """Ask for a comparison's result; one that is being made is not made twice."""
        with self._lock:
            view = self._views.get(needed.id)
            if view is not None and view.live:
                return
            self._views[needed.id] = SummaryView(total=len(needed.experiments))
        self._pool.submit(self._make, needed)

    def view(self, comparison: str) -> SummaryView | None:
        """Return how far a summary is; None if none was asked for."""
        return self._views.get(comparison)

    def forget(self, comparison: str) -> None:
        """Forget a summary that ended, so that it can be made again."""
        with self._lock:
            view = self._views.get(comparison)
            if view is not None and not view.live:
                del self._views[comparison]

    def _make(self, needed: NeededRuns) -> None:
        from sdlab.comparing.run import comparing

        def tell(read: int, total: int) -> None:
            self._views[needed.id] = SummaryView(True, read, total)

        runner, error = queue_runner(self._worker), ""
        try:
            work = comparing(needed.comparison, needed.model, runner, self._worker.runs)
            finish(work, tell)
        except Exception as trouble:
            error = sentence(trouble)
            log.warning("no result of comparison %s: %s", needed.id, error)
        self._views[needed.id] = SummaryView(live=False, error=error)


@st.cache_resource(show_spinner=False)
def summaries() -> Summaries:
    """Return the summaries that all sessions share."""
    return Summaries(lab())
