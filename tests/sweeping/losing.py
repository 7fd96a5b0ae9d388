"""An executor whose workers, in this process, are lost when a test wants it."""

from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from sdlab.sweeping.executors.crew import Event
from sdlab.sweeping.executors.slurm_jobs import Slurm, SlurmCrew
from sdlab.sweeping.sweep_folder import SweepFolder
from sdlab.sweeping.worker import Worker


@dataclass
class Losing:
    """Workers of this process, of which the first ones are lost in the midst of a share.

    Attributes:
        losses: After how many batches, of each worker that is lost.
        storage: As all executors have it.
        loading: Likewise.
        at_once: Likewise.
        opened: How often it was opened.
    """

    losses: list[int] = field(default_factory=list)
    storage: str | None = None
    loading: dict = field(default_factory=lambda: {"device": "cpu"})
    samples: int = 4
    at_once: int = 3
    opened: int = 0

    def crew(self, model, order, folder):
        self.opened += 1
        self.worker, self.begun, self.share = Worker(order), [], None
        self.worker._model = model  # which it would load anew
        self.notes = SweepFolder(folder.parents[1], folder.name)
        return nullcontext(self)

    def divide(self, batches):
        """Return the first two batches, of two runs and of one, as one share."""
        return [*SlurmCrew.divide(self, batches[:2]), *batches[2:]]

    jobs = 1
    _asked = property(lambda self: self)

    def room(self, waiting):
        return int(self.share is None)

    def begin(self, shares):
        (self.share,) = shares
        assert self.share.runs in self.notes.under_way()
        self.begun.append(self.share)

    def events(self):
        share, self.share = self.share, None
        last = self.losses.pop(0) if self.losses else None
        work = self.worker.making(share)
        if last is not None:
            for _ in range(last):
                next(work)
            yield Event(share, lost=True)
            return
        *_, (number, errors) = work
        yield Event(share, share.done_after(number), errors, over=True)


@dataclass(frozen=True)
class Jobs(Slurm):
    """Slurm's jobs, each made in this process when it would be submitted.

    Attributes:
        before: Called before each job.
    """

    poll_seconds: float = 0
    loading: Any = field(default_factory=lambda: {"device": "cpu"})
    before: Callable[[], object] = lambda: None

    def crew(self, model, order, folder):
        place = folder / "jobs"
        place.mkdir(exist_ok=True)
        return closing(SlurmCrew(self, self, order, place))

    def batch(self):
        return nullcontext()

    def submit(self, work):
        self.before()
        work()
        return SimpleNamespace(done=lambda: True)
