"""Asks for runs, so that none is made twice and the next server goes on with what this one leaves.

From being asked for to being written, forgotten or set aside: each change of a run is noted in the
queue on disk.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from dashboard.worker.kept_pictures import KeptPictures
from dashboard.worker.kept_run import KeptRun
from dashboard.worker.known_runs import KnownRuns
from dashboard.worker.limits import LimitError
from dashboard.worker.measures import Measures
from dashboard.worker.models_asked import ModelsAsked
from dashboard.worker.people_limits import PeopleLimits
from dashboard.worker.run_task import RunTask
from dashboard.worker.snapshots import RunSnapshot
from dashboard.worker.stored_runs import stored_facts
from dashboard.worker.task import ENDED, NO_MODEL, Priority
from dashboard.worker.watchers import Watchers
from sdlab.errors import ModelError
from sdlab.experiment.experiment import Experiment
from sdlab.runs.retention import Retention, no_room
from sdlab.runs.trash import RUN, is_stored

BROKE = "the worker broke"


@dataclass(eq=False)
class AskedRuns:
    """The runs, for whoever asks for them; may be called from any thread.

    Attributes:
        known: Those that this server knows.
        models: Which of them people may have.
        limits: How many runs.
        pictures: Those that people brought to start from.
        keeping: What is kept of the runs.
        measures: Counts how runs end.
    """

    known: KnownRuns
    models: ModelsAsked
    limits: PeopleLimits
    pictures: KeptPictures
    keeping: Retention
    measures: Measures

    def __post_init__(self) -> None:
        """Take what is known of the runs, in which each method looks."""
        self._tasks, self._queue = self.known.tasks, self.known.queue
        self._flight, self._kept = self.known.flight, self.known.kept
        self._owned = self.known.owned

    def submit(
        self,
        experiment: Experiment,
        frames: bool = True,
        owner: str = "",
        session: str = "",
        mix: bool = False,
    ) -> str:
        """Ask for a run and return its id; one that is live, or stored, is not run twice.

        A run is exact, as if no other were made beside it, unless ``mix`` allows otherwise. One
        that is stored from shared calls is then made again exactly and takes its place; where
        either will do, an exact one is never replaced.

        Args:
            experiment: What to run.
            frames: Whether to draw the scrubber's frames at once, not when somebody looks.
            owner: Whose it is; "" is nobody in particular.
            session: The browser session that asks.
            mix: Whether it may share network calls with others that may: quicker, but the same
                as the run alone within rounding only.

        Raises:
            NotYoursError: If somebody else's run of this id, made by other weights, would be lost.
            LimitError: If it is more than one person may have on this server.
        """
        asked = {"owner": owner, "session": session, "frames": frames, "mix": mix}
        self.limits.check([experiment], owner, session)
        if refused := self.models.refusal(experiment.model):
            return self._refuse(self._task(experiment, **asked), refused)
        experiment = self.pictures.complete(experiment)
        self._check_overwriting(experiment, owner)
        trouble = self.models.trouble(experiment.model)
        trouble = trouble or no_room(self._flight.writer.runs, self.keeping, owner)
        for picture in experiment.pictures.values():
            if picture.has_pixels:
                self.pictures.keep(picture, owner)  # so that it survives an interruption
        if not self._is_stored(experiment.id):
            self._owned.own(RUN, [experiment.id], owner)
        with ExitStack() as after, self._tasks.lock:  # the disk is waited for without the lock
            known = self.known.find(experiment.id)
            if known is not None and known.live and not known.cancelled:
                known.frames |= frames
                if known.mix and not mix:
                    known.mix = False
                    self._kept.make_exact(known.id)
                    after.callback(self._kept.write)
                return known.id
            if known is not None and known.snapshot.unsaved:
                return known.id  # its picture is whole, and would be lost
            if self._flight.made(experiment, mix):
                self._tasks.forget(experiment.id)
                after.callback(self._owned.join, RUN, [experiment.id], owner)
                return experiment.id
            task = self._task(experiment, **asked)
            self._tasks.know(task)
            if self._tasks.closed or trouble:
                after.callback(task.end, "failed", ModelError(trouble or ENDED))
                return task.id
            self._queue.append(task)
            self._queue.number()
            kept = self._kept.ask(experiment, **asked)
            task.apart = kept.deaths > 0
            self._tasks.lock.notify()
        self._kept.write()
        return task.id

    def claim(
        self,
        experiments: Sequence[Experiment],
        owner: str = "",
        session: str = "",
        queued: bool = True,
    ) -> None:
        """Check of runs all that ``submit`` checks of each; those of a sweep become somebody's.

        All of them or none: what is made of several runs is refused before the first.

        Args:
            experiments: The runs.
            owner: Who asks; "" is nobody in particular.
            session: The browser session that asks.
            queued: Whether they will wait in the queue, whose they are by ``submit``; a sweep's do
                not.

        Raises:
            LimitError: If they are more than somebody may have.
            NotYoursError: If somebody else's run, made by other weights, would be lost.
        """
        self.limits.check(experiments, owner, session, queued)
        full = no_room(self._flight.writer.runs, self.keeping, owner)
        if full and not all(self._flight.made(one, mix=True) for one in experiments):
            raise LimitError(full)
        offered = [one for one in experiments if not self.models.refusal(one.model)]
        for experiment in offered:
            self._check_overwriting(experiment, owner)
        if not queued:
            self._owned.own_asked(RUN, [one.id for one in offered], owner)

    def again(self, experiments: Sequence[Experiment], owner: str = "", session: str = "") -> None:
        """Ask anew for runs that ended without a picture, each as it was asked for before.

        All of them or none, as ``claim``, which see.
        """
        self.claim(experiments, owner, session)
        for experiment in experiments:
            before = self.known.find(experiment.id) or self._task(experiment)
            self.submit(experiment, before.frames, owner, session, before.mix)

    def save_again(self, run: str) -> None:
        """Try once more to write a run whose picture is whole but could not be written."""
        with self._tasks.lock:
            task = self.known.find(run)
            if task is not None and not task.live and task.snapshot.unsaved:
                task.ended = partial(self._ended, task)
                self._flight.writer.write_again(task)
                self._tasks.enter(task, Priority.QUESTION)

    def dismiss(self, run: str, by: str = "") -> None:
        """Forget a run that ended without a picture.

        Raises:
            NotYoursError: If it is not theirs.
        """
        with self._tasks.lock:
            task = self.known.find(run)
            if task is not None and not task.live:
                harmless = by == task.owner and self._is_stored(run)
                if not harmless and not self._owned.may_end(RUN, run, by, task.owner):
                    self._owned.check(RUN, run, by, "dismiss it")
                self._tasks.forget(run)
                self._kept.drop(run)
        self._kept.write()

    def resume(self) -> None:
        """Go on with the runs that servers before this one left, with those that are new here."""
        with self._tasks.lock:
            new = [kept for kept in self._kept.all() if self.known.find(kept.id) is None]
            self.known.left += [self._resume(kept) for kept in new]

    def blame(self, runs: Sequence[str], point: str) -> dict[str, str]:
        """Count that the worker broke in the midst of runs; return why some are set aside."""
        aside = self._kept.blame(runs, point, BROKE)
        self._kept.write()
        return {kept.id: kept.error for kept in aside}

    def check_owner(self, task: RunTask) -> None:
        """Check of a run whose model is in memory what could not be known when it was asked for.

        What it takes the place of is then of whoever asked, too, unless it is nobody's.

        Raises:
            NotYoursError: If somebody else's run, made by other weights, would be lost.
        """
        self._check_overwriting(task.experiment, task.owner)
        if self._is_stored(task.id):
            self._owned.join(RUN, [task.id], task.owner)

    def _check_overwriting(self, experiment: Experiment, owner: str) -> None:
        """Let nobody make a run again over somebody else's that other weights have made.

        An exact one may take the place of one from shared calls: it is the same but for rounding.
        """
        if not self._flight.held.all or self._flight.made(experiment, mix=True):
            return
        if stored_facts(self._flight.writer.runs, experiment.id) is not None:
            doing = "make it again by other weights; another seed makes a run of your own"
            self._owned.check(RUN, experiment.id, owner, doing)

    def _is_stored(self, run: str) -> bool:
        return is_stored(self._flight.writer.runs, RUN, run)

    def _refuse(self, task: RunTask, why: str) -> str:
        """Know a run that whoever asks may not have as failed; one that goes on is left alone."""
        with ExitStack() as after, self._tasks.lock:
            known = self.known.find(task.id)
            if known is None or not (known.live or known.snapshot.unsaved):
                self._tasks.know(task)
                after.callback(task.end, "failed", ModelError(why))
        return task.id

    def _task(self, experiment: Experiment, **asked: Any) -> RunTask:
        task = RunTask(
            RunSnapshot(experiment.id, experiment=experiment),
            Priority.RUN,
            words=self._flight.sentence_of,
            watchers=Watchers(self._tasks.connected),
            model_hash=NO_MODEL,  # its model's name has its place in the queue
            **asked,
        )
        task.ended = partial(self._ended, task)
        return task

    def _resume(self, kept: KeptRun) -> RunTask:
        """Know a run that was asked for before this server's start, and go on with it."""
        asked = {"owner": kept.owner, "session": kept.session}
        task = self._task(kept.experiment, frames=kept.frames, mix=kept.mix, **asked)
        task.apart = kept.deaths > 0
        self._tasks.know(task)
        if kept.waits:
            self._queue.append(task)
            self._queue.number()
            self.models.remember(kept.experiment.model)
        else:
            task.set(state=kept.state, error=kept.error)
        return task

    def _ended(
        self, task: RunTask, state: str, error: BaseException | None, result: object
    ) -> None:
        self.measures.run_ended(state, task.spent)
        if state == "done" and task.written:
            self._owned.own_if_nobody_does(RUN, task.id, task.owner)
        with self._tasks.lock:
            if state == "interrupted" or task.snapshot.unsaved:
                return  # the next server makes it
            if self._tasks.find(task.id) in (task, None):  # not asked for anew in the meantime
                if state == "failed":
                    self._kept.fail(task.id, task.snapshot.error)
                else:
                    self._kept.drop(task.id)
        self._kept.write()
