"""Every run that this server knows, and the queue of those that wait.

It has no lock: the worker holds its lock around each call.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable

from dashboard.worker.job import WorkerJob
from dashboard.worker.snapshots import JobView, ModelRequest

REMEMBERED = 300
UNSAVED = 8


class Roster:
    """Runs by their id, the latest last, and what waits.

    Attributes:
        queue: Runs and other models that wait, first come, first served.
    """

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, WorkerJob] = OrderedDict()
        self.queue: deque[WorkerJob | ModelRequest] = deque()

    def __contains__(self, run: str) -> bool:
        return run in self._jobs

    def get(self, run: str) -> WorkerJob | None:
        """Return a run's job, or None."""
        return self._jobs.get(run)

    def every(self) -> Iterable[WorkerJob]:
        """Return all jobs, the latest last."""
        return self._jobs.values()

    def views(self) -> list[JobView]:
        """Return the snapshots of all runs that are not simply done, latest first."""
        return [job.view for job in reversed(self._jobs.values()) if job.view.state != "done"]

    def keep(self, job: WorkerJob) -> None:
        """Know a run that does not wait, as one that was interrupted."""
        self._jobs[job.id] = job

    def add(self, job: WorkerJob) -> None:
        """Let a run wait as the last one, in place of an older one of the same id."""
        self._jobs[job.id] = job
        self._jobs.move_to_end(job.id)
        self.queue.append(job)
        self._forget_old()
        self.number()

    def forget(self, run: str) -> None:
        """Know a run no longer."""
        self._jobs.pop(run, None)

    def waiting(self) -> list[WorkerJob]:
        """Return the runs that wait, the next one first."""
        return [item for item in self.queue if isinstance(item, WorkerJob)]

    def models(self) -> list[str]:
        """Return the models that wait, the next one first."""
        return [item.source for item in self.queue if isinstance(item, ModelRequest)]

    def last_model(self) -> str:
        """Return the model that will be in memory after all that waits, or "" if nothing does."""
        if not self.queue:
            return ""
        last = self.queue[-1]
        return last.source if isinstance(last, ModelRequest) else last.view.experiment.model

    def number(self) -> None:
        """Tell every waiting run its place, from 1."""
        for position, job in enumerate(self.waiting(), start=1):
            if job.view.position != position:
                job.set(position=position)

    def drop_unsaved(self) -> None:
        """Let go of the oldest pictures that could not be written."""
        unsaved = [job for job in self._jobs.values() if job.view.unsaved]
        for job in unsaved[: max(0, len(unsaved) - UNSAVED)]:
            job.run = None
            job.set(unsaved=False)

    def _forget_old(self) -> None:
        ended = [j for j in self._jobs.values() if not j.view.live and not j.view.unsaved]
        ended.sort(key=lambda job: job.view.state != "done")  # what is stored is not lost
        for job in ended[: max(0, len(ended) - REMEMBERED)]:
            del self._jobs[job.id]
