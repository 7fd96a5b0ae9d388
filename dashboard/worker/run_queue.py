"""What waits to be run: runs, and other models that were asked for in between.

It has no lock: the worker holds its lock around each call.
"""

from collections import deque

from dashboard.worker.run_task import RunTask
from dashboard.worker.snapshots import ModelRequest


class RunQueue(deque[RunTask | ModelRequest]):
    """Runs and other models that wait, first come, first served."""

    def runs(self) -> list[RunTask]:
        """Return the runs that wait, the next one first."""
        return [item for item in self if isinstance(item, RunTask)]

    def models(self) -> list[str]:
        """Return the models that wait, the next one first."""
        return [item.source for item in self if isinstance(item, ModelRequest)]

    def last_model(self) -> str:
        """Return the model that will be in memory after all that waits, or "" if nothing does."""
        return model_of(self[-1]) if self else ""

    def drop_cancelled(self) -> list[RunTask]:
        """Return the runs that nobody waits for any more, which wait no longer."""
        dropped = [run for run in self.runs() if run.cancelled]
        for run in dropped:
            self.remove(run)
        self.number()
        return dropped

    def drop_model(self) -> str:
        """Drop the first model that waits; return the next that does, or ""."""
        first = next((item for item in self if isinstance(item, ModelRequest)), None)
        if first is not None:
            self.remove(first)
        return next(iter(self.models()), "")

    def number(self) -> None:
        """Tell every waiting run its place, from 1."""
        for position, run in enumerate(self.runs(), start=1):
            if run.snapshot.position != position:
                run.set(position=position)


def model_of(item: RunTask | ModelRequest) -> str:
    """Return the name of the model that something in the queue needs."""
    return item.source if isinstance(item, ModelRequest) else item.experiment.model
