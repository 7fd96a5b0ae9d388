"""A run as a task of the worker: how far it is, its preview, its picture if that is not stored."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image

from dashboard.worker.preview import png
from dashboard.worker.snapshots import RunSnapshot
from dashboard.worker.task import Task

if TYPE_CHECKING:
    from dashboard.worker.held_model import HeldModel
    from sdlab.experiment.experiment import Experiment
    from sdlab.runs.run import Run
    from sdlab.sampling.job import Job

PREVIEW_SECONDS = 0.3
TABLES_SECONDS = 1.5  # a run that takes less has them when it is done


@dataclass(eq=False)
class RunTask(Task):
    """A run that was asked for.

    Attributes:
        frames: Whether the scrubber's frames are to be drawn once it is done.
        mix: Whether it may share network calls with others that may; else it is exact. Who asks
            for it exactly, while it is made, has it made so.
        apart: Whether its calls are its own, as the worker broke in the midst of one of its calls.
        run: What could not be written, to be tried again.
        written: Whether it was made and written, and not found in the store.
        held: The model that it runs on, from its first turn to its end.
        job: Of the engine, as long.
        asked: When it was asked for, ``time.monotonic`` seconds.
        spent: Seconds that it spent in each stage, see ``measures``.
    """

    snapshot: RunSnapshot
    frames: bool = True
    mix: bool = False
    apart: bool = False
    run: "Run | None" = None
    written: bool = False
    held: "HeldModel | None" = None
    job: "Job | None" = None
    asked: float = field(default_factory=time.monotonic)
    spent: dict[str, float] = field(default_factory=dict)
    _shown: float = 0.0
    _measured: float = 0.0

    @property
    def experiment(self) -> "Experiment":
        """What is run."""
        return self.snapshot.experiment

    def follow(self, job: "Job") -> None:
        """Copy the engine's state, and the steps per second since it started the run."""
        rate = None
        if job.started is not None:
            self.started = job.started
            seconds = max(1e-6, (job.ended or time.monotonic()) - job.started)
            rate = job.evaluation / seconds * self.experiment.num_steps / max(1, job.nfe) or None
        self.set(state="saving" if job.over else job.state, done=job.evaluation, rate=rate)

    def wants_preview(self, pause: float) -> bool:
        """Return whether somebody watches, and saw the last preview ``pause`` seconds ago."""
        old = time.monotonic() - self._shown > max(pause, PREVIEW_SECONDS)
        return old and bool(self.watchers.count())

    def show(self, picture: Image.Image) -> None:
        """Make a picture the preview."""
        self.set(preview=png(picture))
        self._shown = time.monotonic()

    def wants_tables(self) -> bool:
        """Return whether somebody watches, and has seen no new tables for a while."""
        now = time.monotonic()
        since = max(self._measured, self.started or now)
        return now - since > TABLES_SECONDS and bool(self.watchers.count())

    def measure(self, job: "Job") -> None:
        """Keep the tables of the evaluations so far."""
        self.set(tables=job.so_far())
        self._measured = time.monotonic()

    def unwanted(self) -> bool:
        """Return whether it was cancelled before its picture was whole."""
        return self.cancelled and self.run is None

    def end(self, state: str, error: BaseException | None = None, result: Any = None) -> None:
        """Note how the run ended, and release everything it held but an unsaved picture."""
        self.held = None
        self.set(position=0, **({"preview": None, "tables": {}} if state == "done" else {}))
        super().end(state, error, result)
        self.job = None  # it keeps the model

    def begin_anew(self) -> None:
        """Let go of what was made of it: it waits as if it had not begun."""
        self.let_go()
        self.job, self.held, self.asked = None, None, time.monotonic()
        self.set(state="queued", done=0, total=0, rate=None, seconds_left=None, tables={})

    def stop(self) -> None:
        """End it because the worker has ended; the next server lists it."""
        self.end("interrupted")
