"""What is known of the runs that were asked for: how far they are, what is left, how long it takes.

Nothing here changes a run.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from dashboard.worker.owned import OwnedThings
from dashboard.worker.queue_on_disk import QueueOnDisk
from dashboard.worker.run_queue import RunQueue
from dashboard.worker.run_task import RunTask
from dashboard.worker.runs_in_flight import RunsInFlight
from dashboard.worker.snapshots import RunSnapshot
from dashboard.worker.task import Priority, Task
from dashboard.worker.tasks import Tasks
from dashboard.worker.waiting_time import seconds_until_done, work_left, work_of_people
from sdlab.runs.trash import RUN

T = TypeVar("T", bound=Task)


@dataclass(eq=False)
class KnownRuns:
    """The runs that this server knows; may be called from any thread.

    Attributes:
        tasks: Of the worker.
        queue: Where runs wait.
        flight: Where they are made.
        kept: Where they survive the server's end.
        owned: Knows whose they are.
        notes: What is wrong with the notes of servers of older versions.
        left: The runs that servers before this one left.
    """

    tasks: Tasks
    queue: RunQueue
    flight: RunsInFlight
    kept: QueueOnDisk
    owned: OwnedThings
    notes: Sequence[str] = ()
    left: list[RunTask] = field(default_factory=list)

    def find(self, run: str) -> RunTask | None:
        """Return the task of a run, or None."""
        task = self.tasks.find(run)
        return task if isinstance(task, RunTask) else None

    def get(self, run: str) -> RunSnapshot | None:
        """Return the snapshot of a run that this server knows, or None."""
        found = self.tasks.get(run)
        return found if isinstance(found, RunSnapshot) else None

    def jobs(self) -> list[RunSnapshot]:
        """Return the snapshots of all runs that are not simply done, latest first."""
        found = [task.snapshot for task in reversed(self.tasks.all(Priority.RUN))]
        return [run for run in found if isinstance(run, RunSnapshot) and run.state != "done"]

    def live(self) -> list[RunSnapshot]:
        """Return the runs that wait or are made."""
        return [run for run in self.jobs() if run.live]

    def resumed(self, owner: str | None = None) -> list[RunSnapshot]:
        """Return the runs that servers before this one left, as far as they still wait or run.

        Args:
            owner: Whose; None for everybody's.
        """
        return [task.snapshot for task in self._live(self.left, owner)]

    def live_of(self, owner: str | None) -> set[str]:
        """Return the ids of the runs that wait or are being made.

        Args:
            owner: Whose; None for everybody's.
        """
        return {task.id for task in self._live(self.tasks.all(Priority.RUN), owner)}

    def broken_off(self, owner: str | None) -> list[RunSnapshot]:
        """Return the runs that failed or were interrupted, the one asked for first before the rest.

        Args:
            owner: Whose; None for everybody's.
        """
        tasks = [task for task in self.tasks.all(Priority.RUN) if isinstance(task, RunTask)]
        ended = [task for task in tasks if task.snapshot.state in ("failed", "interrupted")]
        ended = [task for task in ended if not task.snapshot.unsaved]
        return [task.snapshot for task in self._of(ended, owner)]

    def _live(self, tasks: Iterable[T], owner: str | None) -> list[T]:
        return self._of([task for task in tasks if task.live and not task.cancelled], owner)

    def _of(self, tasks: list[T], owner: str | None) -> list[T]:
        """Return those of some runs that are somebody's; of None all."""
        if owner is None or not tasks:
            return tasks
        owners = self.owned.all_owners(RUN)
        return [task for task in tasks if owner in owners.get(task.id, (task.owner,))]

    def unsaved(self) -> list[RunTask]:
        """Return the runs whose pictures are whole but could not be written."""
        tasks = self.tasks.all(Priority.RUN)
        return [task for task in tasks if isinstance(task, RunTask) and task.snapshot.unsaved]

    def unreadable(self) -> list[str]:
        """Return what is wrong with the notes of interrupted runs that could not be read."""
        return [*self.notes, *self.kept.unreadable()]

    def queue_trouble(self) -> str:
        """Return why the queue would be lost if the server ended, in a sentence; "" if not."""
        return self.kept.trouble

    def longest_wait(self) -> float:
        """Return how long the run that waits longest has waited, in seconds."""
        with self.tasks.lock:
            asked = [run.asked for run in self.queue.runs()]
        return time.monotonic() - min(asked) if asked else 0.0

    def seconds_until_done(self, run: str) -> float | None:
        """Return about how long a run that waits takes until it is done; None if not known."""
        with self.tasks.lock:
            task, waiting = self.find(run), self.queue.runs()
        speed = self.flight.pace.of_pixel
        if task is None or task not in waiting or not speed:
            return None
        going = [one for one in self.tasks.line(Priority.RUN) if isinstance(one, RunTask)]
        left = {one: work_left(one, self._usual_size(one)) for one in (*going, *waiting)}
        before = [*going, *waiting[: waiting.index(task) + 1]]
        own = sum(left[one] for one in before if one.person == task.person)
        studies = self.tasks.line(Priority.STUDY)
        others = work_of_people(left, studies, but=task.person).values()
        return seconds_until_done(own, others, speed)

    def _usual_size(self, task: RunTask) -> tuple[int, int] | None:
        held = self.flight.held.named(task.experiment.model)
        return held.view.default_size if held else None
