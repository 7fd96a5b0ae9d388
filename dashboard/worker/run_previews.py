"""Previews and charts of runs in flight, for who watches; a run goes on if they fail."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.worker.run_task import RunTask
from dashboard.worker.task import Priority
from dashboard.worker.tasks import Tasks

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from dashboard.worker.held_model import HeldModel
    from sdlab.sampling.job import Job

log = logging.getLogger(__name__)

PREVIEW_SHARE = 10  # a preview waits this many times as long as making all of them takes
CROWDED_SECONDS = 3.0  # where decoded previews would take longer, quick sketches are drawn


@dataclass(eq=False)
class RunPreviews:
    """Shows how far runs are; belongs to the worker's thread.

    Attributes:
        tasks: Of the worker.
    """

    tasks: Tasks
    _sketch_seconds: float = 0.0

    def draw(self, task: RunTask, job: "Job", held: "HeldModel") -> None:
        """Draw the latest x0_pred of a run, if somebody waits for it."""
        draw, pause = self.means(held, job)
        if job.x0_pred is None or not task.wants_preview(pause):
            return
        started = time.monotonic()
        try:
            task.show(draw(job.x0_pred))
            if draw != held.picture:
                self._sketch_seconds = time.monotonic() - started
        except Exception as error:  # the run itself may well go on
            log.warning("no preview of %s: %s", task.id, self.tasks.sentence(error))

    def measure(self, task: RunTask, job: "Job") -> None:
        """Keep the tables of a run so far, if somebody waits for them."""
        if not task.wants_tables():
            return
        try:
            task.measure(job)
        except Exception as error:  # the run itself may well go on
            log.warning("no charts of %s so far: %s", task.id, self.tasks.sentence(error))

    def means(self, held: "HeldModel", job: "Job") -> "tuple[Callable[[Tensor], Image], float]":
        """Return how previews are made, and how long each waits: they get a tenth of the time."""
        crowd = PREVIEW_SHARE * len(self.tasks.line(Priority.RUN))
        height, width = (side * held.model.vae_factor for side in job.plan.shape[1:])
        pause = crowd * held.seconds_to_decode(width, height)
        if pause <= CROWDED_SECONDS:
            return held.picture, pause
        return held.sketch, crowd * self._sketch_seconds
