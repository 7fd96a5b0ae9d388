"""Makes the result of a comparison once its runs have ended; in a thread of its own.

Summing up reads every run and takes seconds, so neither a page's script, which a click would
interrupt, nor the worker, whose runs would wait, can do it.
"""

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import sentence
from dashboard.views.compare.batch import Batch, RunState
from dashboard.worker.stored_runs import open_stored
from sdlab.errors import SdlabError

if TYPE_CHECKING:
    from sdlab.runs.run import Run

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


class RunFailed(SdlabError):
    """Stands for a run that failed, with what the worker said of it."""


class Summaries:
    """The summaries in the making; for any thread.

    Args:
        runs: Folder of the stored runs.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._views: dict[str, SummaryView] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, "sdlab-summary")

    def begin(self, batch: Batch, found: Mapping[str, RunState]) -> None:
        """Ask for a batch's result; one that is being made is not made twice."""
        with self._lock:
            view = self._views.get(batch.id)
            if view is not None and view.live:
                return
            self._views[batch.id] = SummaryView(total=len(found))
        self._pool.submit(self._make, batch, dict(found))

    def view(self, comparison: str) -> SummaryView | None:
        """Return how far a summary is; None if none was asked for."""
        return self._views.get(comparison)

    def forget(self, comparison: str) -> None:
        """Forget a summary that ended, so that it can be made anew."""
        with self._lock:
            view = self._views.get(comparison)
            if view is not None and not view.live:
                del self._views[comparison]

    def _make(self, batch: Batch, found: Mapping[str, RunState]) -> None:
        from sdlab.comparing.summary import summarise

        error = ""
        try:
            runs = self._read(batch, found)
            summarise(batch.comparison, runs, batch.facts).save(self._runs)
        except Exception as trouble:
            error = sentence(trouble)
            log.warning("no result of comparison %s: %s", batch.id, error)
        self._views[batch.id] = SummaryView(False, len(found), len(found), error)

    def _read(self, batch: Batch, found: Mapping[str, RunState]) -> "dict[str, Run | Exception]":
        from sdlab.comparing.facts import Cancelled

        runs: dict[str, Run | Exception] = {}
        for number, (run, state) in enumerate(found.items(), start=1):
            if state.state == "done":
                try:
                    runs[run] = open_stored(self._runs, run)
                except SdlabError as error:
                    runs[run] = error
            elif state.state == "failed":
                runs[run] = RunFailed(state.error or "The run failed.")
            elif state.state == "cancelled":
                runs[run] = Cancelled()
            self._views[batch.id] = SummaryView(True, number, len(found))
        return runs


@st.cache_resource(show_spinner=False)
def summaries() -> Summaries:
    """Return the summaries that all sessions share."""
    return Summaries(lab().runs)
