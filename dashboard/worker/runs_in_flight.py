"""The runs in flight: driven one network call at a time, previewed if watched, saved when done."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from dashboard.worker.measures import stage_seconds
from dashboard.worker.pace import Pace
from dashboard.worker.run_previews import RunPreviews
from dashboard.worker.run_task import RunTask
from dashboard.worker.run_writer import RunWriter
from dashboard.worker.stored_runs import stored_facts
from dashboard.worker.task import Priority, Task
from dashboard.worker.tasks import Tasks
from dashboard.worker.turns import Shares
from dashboard.worker.waiting_time import work_left
from sdlab.errors import MemoryLimitError, SdlabError
from sdlab.runs.manifest import is_exact

if TYPE_CHECKING:
    from dashboard.worker.held_model import HeldModel
    from dashboard.worker.held_models import HeldModels
    from sdlab.experiment.experiment import Experiment
    from sdlab.sampling.engine import Engine
    from sdlab.sampling.job import Job
    from sdlab.work import Work

LOOK_SECONDS = 0.02  # a long call looks that often whether others wait


@dataclass(eq=False)
class RunsInFlight:
    """The runs in the engines of the models in memory; belongs to the worker's thread.

    Attributes:
        tasks: Of the worker.
        held: Have the engines and the decoders.
        writer: Stores them when they are done.
        complete: Returns an experiment with the pixels of its pictures, if they are kept.
        shares: Whose turn it is.
        others_wait: Whether a run that is in the midst of a long call is to let others go first.
        quick: A call that takes no longer is made in one piece, in seconds.
        blame: Counts, for runs at a point, that the worker broke; returns why some of them are not
            to be made again, by their ids.
        pace: How fast they go.
        previews: Show how far they are.
    """

    tasks: Tasks
    held: "HeldModels"
    writer: RunWriter
    complete: "Callable[[Experiment], Experiment]" = lambda experiment: experiment
    shares: Shares = field(default_factory=Shares)
    others_wait: Callable[[RunTask], bool] = lambda task: False
    quick: float = 0.2
    blame: Callable[[Sequence[str], str], Mapping[str, str]] = lambda runs, point: {}
    pace: Pace = field(default_factory=Pace)
    _tasks_of: "WeakKeyDictionary[Job, RunTask]" = field(default_factory=WeakKeyDictionary)
    _charged: float = 0.0
    _latest: float = -math.inf

    def __post_init__(self) -> None:
        """Show what is in flight, and note what is done where the writer does."""
        self.previews = RunPreviews(self.tasks)
        self.work = self.writer.work

    def __len__(self) -> int:
        return len(self.tasks.line(Priority.RUN))

    def people(self) -> "Counter[str]":
        """Return how many runs each person has in flight."""
        return Counter(task.person for task in self.tasks.line(Priority.RUN))

    def seconds_since(self) -> float:
        """Return the seconds since the latest round; infinity before the first."""
        return time.monotonic() - self._latest

    def made(self, experiment: "Experiment", mix: bool = False) -> bool:
        """Return whether a run is stored as it would be made now: by these weights, as exactly.

        Args:
            experiment: The run.
            mix: Whether one from shared calls will do; else it is to be exact.
        """
        found = stored_facts(self.writer.runs, experiment.id)
        if found is None or not self.held.all or not (mix or is_exact(found)):
            return False
        held = self.held.named(experiment.model)
        return held is None or bool(held.view.hash == found["model"]["hash"])

    def uses(self, held: "HeldModel") -> bool:
        """Return whether a run of a model is in flight."""
        return any(self._of(task) is held for task in self.tasks.line(Priority.RUN))

    def begin(self, task: RunTask, held: "HeldModel") -> None:
        """Hand a run to the engine of its model; what the engine refuses has failed."""
        task.held = held
        self.held.use(held)
        task.make = lambda model: self._flight(task, held)
        task.spent["queued"] = time.monotonic() - task.asked
        with self.work.doing("preparing a run", (task.id,), "preparing it"):
            task.advance(held.model)
        if task.live:
            self.tasks.enter(task)

    def drop_cancelled(self) -> None:
        """End the runs that nobody waits for any more."""
        for task in self.tasks.line(Priority.RUN):
            if task.cancelled:
                task.end("cancelled")
                self.tasks.withdraw(task)

    def first(self) -> RunTask | None:
        """Return the run whose turn it is, or None if none is in flight."""
        engines = [held.engine for held in self.held.all]
        ready = [job for engine in engines for job in engine.jobs if engine.may_serve(job)]
        ready += [job for engine in engines if (job := engine.next_to_start())]
        return min((self._tasks_of[job] for job in ready), key=self._order, default=None)

    def _order(self, task: RunTask) -> tuple[float, bool, float]:
        """Return what decides between runs: whose turn it is, then what has least left to do.

        So the first picture of many is there long before the last, not with it. Of one person
        alone all go on together, as they may share calls.
        """
        person, begins, own = self.place(task)
        return person, begins, own if len(self.people()) == 1 else work_left(task, None)

    def place(self, task: Task) -> tuple[float, bool, float]:
        """Return a task's place among all: the least comes first.

        Of one person's runs what has paused comes before what would begin another long call, so
        that no more calls are under way than there are people.
        """
        person, own = self.shares.place(task)
        return person, self._would_begin(task), own

    def _would_begin(self, task: Task) -> bool:
        """Return whether a run would begin a long call while one of the same person has paused."""
        if not isinstance(task, RunTask) or task.held is None or task.job is None:
            return False
        paused = task.held.engine.long.paused()
        if task.job in paused or self.is_quick(task):
            return False
        return any(self._tasks_of[job].person == task.person for job in paused)

    def round(self) -> bool:
        """Do one network call or decoding, or a piece of one; return whether there was one."""
        task = self.first()
        engine = self._engine_of(task)
        if engine is None:
            return False
        self._latest = self._charged = started = time.monotonic()
        before = {job: (job.state, job.evaluation) for job in engine.jobs}
        going = [task.id for task in self.tasks.line(Priority.RUN)]
        with self.work.doing("a network call", going, "a network call"):
            engine.round()
        self._charge(engine.latest)
        self._advance(before)
        made = {job: job.evaluation - count for job, (_, count) in before.items()}
        pixels = sum(self._pixels(job) * count for job, count in made.items())
        self.pace.note(sum(made.values()), pixels, time.monotonic() - started)
        return True

    def _pixels(self, job: "Job") -> int:
        return math.prod(job.plan.shape[1:]) * job.model.vae_factor**2

    def _engine_of(self, task: RunTask | None) -> "Engine | None":
        """Return the engine of a run; of None any that has something to end."""
        if task is not None and task.held is not None:
            return task.held.engine
        return next((held.engine for held in self.held.all if held.engine.jobs), None)

    def _charge(self, jobs: "Sequence[Job]") -> None:
        """Note what was spent on runs since this was last noted; those of a call share it."""
        now = time.monotonic()
        for job in jobs:
            self.shares.spend(self._tasks_of[job], (now - self._charged) / len(jobs))
        self._charged = now

    def _advance(self, before: "Mapping[Job, tuple[str, int]]") -> None:
        """Let the runs go on that are further than before."""
        for task in self.tasks.line(Priority.RUN):
            assert isinstance(task, RunTask)
            job = task.job
            if job is None or before.get(job, ()) != (job.state, job.evaluation):
                task.advance(None)
                self.shares.spend(task, task.cost)
            if not task.live:
                self.tasks.withdraw(task)

    def _are_one_persons(self, one: "Job", other: "Job") -> bool:
        """Return whether two runs may be in one call: nobody's call takes longer for others.

        Exact ones only while nobody else waits: a joint call is long, and cannot pause.
        """
        same = self._tasks_of[one].person == self._tasks_of[other].person
        return same and (one.mix or len(self.people()) == 1)

    def is_quick(self, task: Task) -> bool:
        """Return whether the next call of a run is known to be quick, so that it may go first."""
        if not isinstance(task, RunTask) or task.held is None or task.job is None:
            return False
        known = task.job.state in ("running", "decoding")
        return known and task.held.engine.long.seconds(task.job) <= self.quick

    def _begins(self, jobs: "Sequence[Job]") -> None:
        """Note whose network call or decoding begins, and which of theirs it is."""
        first = jobs[0]
        point = f"evaluation {first.evaluation + 1}" if first.state == "running" else first.state
        what = "decoding" if first.state == "decoding" else "a network call"
        self.work.begin(what, [self._tasks_of[job].id for job in jobs], point)

    def _pauses(self, job: "Job") -> bool:
        """Return whether a long call is to pause; asked before each of its layers."""
        if time.monotonic() - self._charged < LOOK_SECONDS:
            return False
        self._charge((job,))
        return self.others_wait(self._tasks_of[job])

    def sentence_of(self, error: BaseException) -> str:
        """Return why a run failed; of an error that is not ours also its own words.

        It may come from a plug-in sampler, whose author needs the message.
        """
        said = self.tasks.sentence(error)
        known = isinstance(error, (ValueError, SdlabError))
        return said if known else f"{type(error).__name__}: {str(error)[:500]}. {said}"

    def begin_anew(self, error: BaseException) -> list[RunTask]:
        """Take fresh engines; return the runs that were in flight, which wait to be begun anew.

        Those in whose work the worker broke before have failed.
        """
        runs = [task for task in self.tasks.line(Priority.RUN) if isinstance(task, RunTask)]
        broken = self.work.broken
        suspects = broken.runs if broken and broken.runs else [task.id for task in runs]
        aside = self.blame(suspects, broken.point if broken else "")
        for task in runs:
            self.tasks.withdraw(task)
            task.begin_anew()
            task.apart |= task.id in suspects
            if task.id in aside:
                task.end("failed", SdlabError(f"{self.sentence_of(error)} {aside[task.id]}"))
        for held in self.held.all:
            held.renew_engine()
        return [task for task in runs if task.live]

    def _of(self, task: Task) -> "HeldModel | None":
        return task.held if isinstance(task, RunTask) else None

    def _flight(self, task: RunTask, held: "HeldModel") -> "Work[None]":
        """Take a run through an engine and to its folder."""
        job = yield from self._driven(task, held)
        if job.error is not None:
            raise job.error
        task.follow(job)
        task.run = job.result
        assert task.run is not None
        task.spent |= stage_seconds(task.run.tables["timings"])
        task.show(task.run.image)
        yield from self.writer.writing(task)

    def _driven(self, task: RunTask, held: "HeldModel") -> "Work[Job]":
        """Take a run through an engine, whose rounds come in between.

        If it has shared calls by the time that somebody asks for it exactly, it begins anew.
        """
        asked = self.complete(task.experiment)
        job = self._submitted(task, asked, task.mix, held)
        task.set(position=0)
        try:
            yield 0, job.nfe
            while not job.over or (job.shared and not task.mix):
                if job.shared and not task.mix:
                    job.cancel()
                    job = self._submitted(task, asked, False, held)
                job.mix = task.mix
                task.follow(job)
                self.previews.draw(task, job, held)
                self.previews.measure(task, job)
                yield job.evaluation, job.nfe
        finally:
            job.cancel()
        return job

    def _submitted(self, task: RunTask, asked: "Experiment", mix: bool, held: "HeldModel") -> "Job":
        """Return a run's job, of an engine in which runs take turns."""
        engine = held.engine
        engine.order = lambda job: self._order(self._tasks_of[job])
        engine.begins = self._begins
        engine.together = self._are_one_persons
        engine.long.pause, engine.long.quick = self._pauses, self.quick
        job = task.job = self._taken(asked, mix, held)
        self._tasks_of[job], job.apart = task, task.apart
        return job

    def _taken(self, asked: "Experiment", mix: bool, held: "HeldModel") -> "Job":
        """Return a run's job; models that nobody uses make room for it, if it needs that."""
        try:
            return held.engine.submit(asked, mix=mix)
        except MemoryLimitError:
            self.tasks.let_go()
            if not self.held.release_idle(but=held):
                raise
        return held.engine.submit(asked, mix=mix)
