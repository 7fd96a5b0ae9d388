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

    def usual_model(self) -> str:
        """Return the model that pages will use once all that waits is loaded; "" if it stays."""
        usual = [item.source for item in self if isinstance(item, ModelRequest) and item.usual]
        return usual[-1] if usual else ""

    def drop_cancelled(self) -> list[RunTask]:
        """Return the runs that nobody waits for any more, which wait no longer."""
        dropped = [run for run in self.runs() if run.cancelled]
        for run in dropped:
            self.remove(run)
        self.number()
        return dropped

    def next_model(self) -> ModelRequest | None:
        """Return the first model that waits to be loaded, or None."""
        return next((item for item in self if isinstance(item, ModelRequest)), None)

    def drop_model(self) -> ModelRequest | None:
        """Drop the first model that waits; return the next that does, or None."""
        if first := self.next_model():
            self.remove(first)
        return self.next_model()

    def number(self) -> None:
        """Tell every waiting run its place, from 1."""
        for position, run in enumerate(self.runs(), start=1):
            if run.snapshot.position != position:
                run.set(position=position)


def model_of(item: RunTask | ModelRequest) -> str:
    """Return the name of the model that something in the queue needs."""
    return item.source if isinstance(item, ModelRequest) else item.experiment.model
