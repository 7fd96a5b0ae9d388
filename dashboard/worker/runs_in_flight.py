"""The runs in flight: driven one network call at a time, previewed if watched, saved when done."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.worker.run_task import RunTask
from dashboard.worker.stored_runs import stored_facts
from dashboard.worker.task import Priority
from dashboard.worker.tasks import Tasks
from sdlab.errors import SdlabError
from sdlab.runs.manifest import is_exact

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from dashboard.worker.held_model import HeldModel
    from sdlab.experiment.experiment import Experiment
    from sdlab.runs.run import Run
    from sdlab.sampling.job import Job
    from sdlab.work import Work

log = logging.getLogger(__name__)

PREVIEW_SHARE = 10  # a preview waits this many times as long as making all of them takes
CROWDED_SECONDS = 3.0  # where decoded previews would take longer, quick sketches are drawn
PACED = 64  # rounds from which the pace is estimated
UNSAVED = 8  # pictures that could not be written are kept in memory


@dataclass(eq=False)
class RunsInFlight:
    """The runs in the engine; belongs to the worker's thread.

    Attributes:
        tasks: Of the worker.
        held: Has the engine and the decoder.
        runs: Folder of the stored runs.
        done: Called with a run that is written, if its frames are to be drawn.
        complete: Returns an experiment with the pixels of its pictures, if they are kept.
    """

    tasks: Tasks
    held: "HeldModel"
    runs: Path
    done: "Callable[[str, Run], None]"
    complete: "Callable[[Experiment], Experiment]" = lambda experiment: experiment
    _rounds: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=PACED))
    _sketch_seconds: float = 0.0
    _latest: float = -math.inf

    def __len__(self) -> int:
        return len(self.tasks.line(Priority.RUN))

    @property
    def pace(self) -> float | None:
        """Seconds that an evaluation of one run takes, with all its run needs; None before any.

        It is the mean of the latest rounds, decoding, previews and saving among them: what the
        next many evaluations will take if the machine stays as busy as it is.
        """
        evaluations = sum(count for count, _ in self._rounds)
        return sum(seconds for _, seconds in self._rounds) / evaluations if evaluations else None

    def seconds_since(self) -> float:
        """Return the seconds since the latest round; infinity before the first."""
        return time.monotonic() - self._latest

    def forget_pace(self) -> None:
        """Forget the pace: another model will have another."""
        self._rounds.clear()

    def made(self, experiment: "Experiment", mix: bool = False) -> bool:
        """Return whether a run is stored as it would be made now: by these weights, as exactly.

        Args:
            experiment: The run.
            mix: Whether one from shared calls will do; else it is to be exact.
        """
        found, model = stored_facts(self.runs, experiment.id), self.held.view
        if found is None or model is None or not (mix or is_exact(found)):
            return False
        return bool(model.name != experiment.model or model.hash == found["model"]["hash"])

    def begin(self, task: RunTask) -> None:
        """Hand a run to the engine; what the engine refuses has failed."""
        task.make = lambda model: self._flight(task)
        task.advance(self.held.model)
        if task.live:
            self.tasks.enter(task)

    def round(self) -> bool:
        """Do one network call or decoding; return whether anything was in flight."""
        for task in self.tasks.line(Priority.RUN):
            if task.cancelled:
                task.end("cancelled")
                self.tasks.withdraw(task)
        engine = self.held.engine
        if engine is None or not engine.jobs:
            return False
        jobs, started = list(engine.jobs), time.monotonic()
        self._latest = started
        before = sum(job.evaluation for job in jobs)
        try:
            engine.round()
        except BaseException as error:
            self.fail_all(error)
            return True
        evaluations = sum(job.evaluation for job in jobs) - before
        for task in self.tasks.line(Priority.RUN):
            task.advance(self.held.model)
            if not task.live:
                self.tasks.withdraw(task)
        self._measure(evaluations, time.monotonic() - started)
        return True

    def save_again(self, task: RunTask) -> None:
        """Let the picture of a run be written once more, if it could not be written before."""
        task.make = lambda model: self._writing(task)
        task.cancelled = False
        task.set(state="saving", error="", unsaved=False)

    def sentence_of(self, error: BaseException) -> str:
        """Return why a run failed; of an error that is not ours also its own words.

        It may come from a plug-in sampler, whose author needs the message.
        """
        said = self.tasks.sentence(error)
        known = isinstance(error, (ValueError, SdlabError))
        return said if known else f"{type(error).__name__}: {str(error)[:500]}. {said}"

    def fail_all(self, error: BaseException) -> None:
        """End all runs in flight with an error and take a fresh engine."""
        runs = self.tasks.line(Priority.RUN)
        if not runs:
            return
        from sdlab.sampling.engine import Engine

        failure = SdlabError(self.sentence_of(error))
        for task in runs:
            self.tasks.withdraw(task)
            task.end("failed", failure)
        assert self.held.model is not None
        self.held.engine = Engine(self.held.model)

    def _flight(self, task: RunTask) -> "Work[None]":
        """Take a run through the engine and to its folder."""
        job = yield from self._driven(task)
        if job.error is not None:
            raise job.error
        task.follow(job)
        task.run = job.result
        assert task.run is not None
        task.show(task.run.image)
        yield from self._writing(task)

    def _driven(self, task: RunTask) -> "Work[Job]":
        """Take a run through the engine, whose rounds come in between.

        If it has shared calls by the time that somebody asks for it exactly, it begins anew.
        """
        engine, asked = self.held.engine, self.complete(task.experiment)
        assert engine is not None
        job = engine.submit(asked, mix=task.mix)
        task.set(position=0)
        try:
            yield 0, job.nfe
            while not job.over or (job.shared and not task.mix):
                if job.shared and not task.mix:
                    job.cancel()
                    job = engine.submit(asked)
                job.mix = task.mix
                task.follow(job)
                self._preview(task, job)
                self._tables(task, job)
                yield job.evaluation, job.nfe
        finally:
            job.cancel()
        return job

    def _writing(self, task: RunTask) -> "Work[None]":
        """Write a finished run in one piece; if the disk refuses, its picture is kept."""
        assert task.run is not None
        task.set(seconds_left=0.0)
        try:
            task.run.save(self.runs)
        except Exception as error:
            task.set(unsaved=True)
            self._drop_unsaved()
            reason = error.strerror if isinstance(error, OSError) else self.tasks.sentence(error)
            raise SdlabError(f"The picture is made but could not be saved: {reason}") from None
        if task.frames:
            self.done(task.id, task.run)
        task.run = None
        return
        yield

    def _drop_unsaved(self) -> None:
        """Let go of the oldest pictures that could not be written."""
        unsaved = [task for task in self.tasks.all(Priority.RUN) if task.snapshot.unsaved]
        for task in unsaved[: max(0, len(unsaved) - UNSAVED)]:
            assert isinstance(task, RunTask)
            task.run = None
            task.set(unsaved=False)

    def _measure(self, evaluations: int, seconds: float) -> None:
        """Count a round for the pace; one without an evaluation belongs to the one before."""
        if evaluations:
            self._rounds.append((evaluations, seconds))
        elif self._rounds:
            count, before = self._rounds.pop()
            self._rounds.append((count, before + seconds))

    def _preview(self, task: RunTask, job: "Job") -> None:
        draw, pause = self._means()
        if job.x0_pred is None or not task.wants_preview(pause):
            return
        started = time.monotonic()
        try:
            task.show(draw(job.x0_pred))
            if draw != self.held.picture:
                self._sketch_seconds = time.monotonic() - started
        except Exception as error:  # the run itself may well go on
            log.warning("no preview of %s: %s", task.id, self.tasks.sentence(error))

    def _tables(self, task: RunTask, job: "Job") -> None:
        if not task.wants_tables():
            return
        try:
            task.measure(job)
        except Exception as error:  # the run itself may well go on
            log.warning("no charts of %s so far: %s", task.id, self.tasks.sentence(error))

    def _means(self) -> "tuple[Callable[[Tensor], Image], float]":
        """Return how previews are made, and how long each waits: they get a tenth of the time."""
        crowd = PREVIEW_SHARE * len(self)
        pause = crowd * self.held.decode_seconds
        if pause <= CROWDED_SECONDS:
            return self.held.picture, pause
        return self.held.sketch, crowd * self._sketch_seconds
