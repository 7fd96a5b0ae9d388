"""Writes runs that are whole to their folders; what the disk refuses is kept in memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.worker.run_task import RunTask
from dashboard.worker.task import Priority
from dashboard.worker.tasks import Tasks
from dashboard.worker.under_way import UnderWay
from sdlab.errors import SdlabError

if TYPE_CHECKING:
    from sdlab.runs.run import Run
    from sdlab.work import Work

UNSAVED = 8  # pictures that could not be written are kept in memory


@dataclass(eq=False)
class RunWriter:
    """Stores runs; belongs to the worker's thread.

    Attributes:
        tasks: Of the worker.
        runs: Folder of the stored runs.
        done: Called with a run that is written, if its frames are to be drawn.
        work: What the worker's thread is doing.
    """

    tasks: Tasks
    runs: Path
    done: "Callable[[str, Run], None]"
    work: UnderWay = field(default_factory=UnderWay)

    def writing(self, task: RunTask) -> "Work[None]":
        """Write a finished run in one piece; if the disk refuses, its picture is kept."""
        assert task.run is not None
        task.set(seconds_left=0.0)
        begun = time.monotonic()
        try:
            with self.work.doing("saving a run", (task.id,), "saving"):
                task.run.save(self.runs)
        except Exception as error:
            task.set(unsaved=True)
            self._drop_unsaved()
            reason = error.strerror if isinstance(error, OSError) else self.tasks.sentence(error)
            raise SdlabError(f"The picture is made but could not be saved: {reason}") from None
        task.spent["saving"] = time.monotonic() - begun
        if task.frames:
            self.done(task.id, task.run)
        task.run, task.written = None, True
        return
        yield

    def write_again(self, task: RunTask) -> None:
        """Let the picture of a run be written once more, if it could not be written before."""
        task.make = lambda model: self.writing(task)
        task.cancelled = False
        task.set(state="saving", error="", unsaved=False)

    def _drop_unsaved(self) -> None:
        """Let go of the oldest pictures that could not be written."""
        unsaved = [task for task in self.tasks.all(Priority.RUN) if task.snapshot.unsaved]
        for task in unsaved[: max(0, len(unsaved) - UNSAVED)]:
            assert isinstance(task, RunTask)
            task.run = None
            task.set(unsaved=False)
