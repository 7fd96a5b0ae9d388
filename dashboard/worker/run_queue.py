"""What waits to be run: runs, and other models that were asked for in between.

It has no lock: the worker holds its lock around each call.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping

from dashboard.worker.run_task import RunTask
from dashboard.worker.snapshots import ModelRequest


class RunQueue(deque[RunTask | ModelRequest]):
    """Runs and other models that wait: of one person first come, first served."""

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

    def in_turn(
        self, own: Mapping[str, int], begin: Callable[[str], float]
    ) -> list[RunTask | ModelRequest]:
        """Return what waits, what comes next first: people take turns.

        Args:
            own: How many runs each person has in flight.
            begin: Returns the place of a person's next piece of work among all.
        """
        before: Counter[str] = Counter(own)
        places = []
        for item in self:
            places.append((before[item.person], begin(item.person)))
            before[item.person] += 1
        order = sorted(range(len(places)), key=places.__getitem__)  # stable: as it was asked for
        line = list(self)
        return [line[number] for number in order]

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

    def ask_for_model(self, request: ModelRequest) -> None:
        """Let a model wait to be loaded, in the place of the one that the same person waits for."""
        for item in [one for one in self if isinstance(one, ModelRequest)]:
            if item.person == request.person:
                self.remove(item)
        self.append(request)

    def drop_model(self) -> ModelRequest | None:
        """Drop the first model that waits; return the next that does, or None."""
        if first := self.next_model():
            self.remove(first)
        return self.next_model()

    def number(self) -> None:
        """Tell every waiting run its place, from 1: people take turns."""
        runs = [item for item in self.in_turn({}, lambda _: 0.0) if isinstance(item, RunTask)]
        for position, run in enumerate(runs, start=1):
            if run.snapshot.position != position:
                run.set(position=position)


def model_of(item: RunTask | ModelRequest) -> str:
    """Return the name of the model that something in the queue needs."""
    return item.source if isinstance(item, ModelRequest) else item.experiment.model
