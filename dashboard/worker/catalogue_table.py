"""The table of all solvers and schedulers: made when nothing else is, or once somebody waits."""

import logging
import threading
from typing import TYPE_CHECKING

from dashboard.worker.held_models import HeldModels
from dashboard.worker.snapshots import Snapshot
from dashboard.worker.task import NO_MODEL, Priority, Task, once
from dashboard.worker.tasks import Tasks

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


class CatalogueTable:
    """The tables of ``sdlab.schedulers`` of the models in memory.

    Args:
        tasks: Of the worker.
        held: The models.

    Attributes:
        ready: Set once the tables are made, or cannot be.
    """

    def __init__(self, tasks: Tasks, held: HeldModels) -> None:
        self._tasks, self._held = tasks, held
        self.ready = threading.Event()
        self._task = Task(
            Snapshot("catalogue"),
            Priority.CATALOGUE,
            once(lambda model: held.make_catalogues()),
            model_hash=NO_MODEL,
            ended=self._listed,
        )
        tasks.enter(self._task)

    def wait(self, timeout: float) -> None:
        """Have the tables made next, and wait for them, in seconds."""
        with self._tasks.lock:
            if self._tasks.withdraw(self._task):
                self._tasks.enter(self._task, Priority.QUESTION)
        self.ready.wait(timeout)

    def of(self, model_hash: str) -> "pd.DataFrame | None":
        """Return the table for a model, None if there is none."""
        held = self._held.of(model_hash)
        return held.catalogue if held else None

    def _listed(self, state: str, error: BaseException | None, result: object) -> None:
        if error is not None and not self._tasks.closed:  # also what a plugged-in sampler raises
            log.error("no catalogue of schedulers: %s", self._tasks.sentence(error))
        self.ready.set()
