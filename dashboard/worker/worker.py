"""The worker: the models for everybody, and what pages may ask of it, from their own threads.

Whatever a page asks for is a task: ``submit`` a run, ``study`` something long, ``ask`` the model
a short question and wait, ``want_frames`` of a run. Tasks go by ids; ``get``, ``touch`` and
``cancel`` are the same for all. The calls only take the lock for a moment; the work is done by the
``Scheduler``'s thread. Nothing here knows who draws the pages.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.worker import questions
from dashboard.worker.frame_painter import FramePainter
from dashboard.worker.frames import Sheet, read_sheet
from dashboard.worker.health import Health
from dashboard.worker.held_models import HeldModels
from dashboard.worker.kept_pictures import KeptPictures
from dashboard.worker.kept_run import KeptRun
from dashboard.worker.limits import LimitError, Limits
from dashboard.worker.living_servers import LivingServer
from dashboard.worker.loaded_before import LoadedBefore, LoadedModel
from dashboard.worker.measures import Measures
from dashboard.worker.model_rules import ModelRules
from dashboard.worker.offered_models import OfferedModels
from dashboard.worker.own_folder import own_folder
from dashboard.worker.owned import OwnedThings, thing_of
from dashboard.worker.questions import Answer
from dashboard.worker.queue_on_disk import QueueOnDisk
from dashboard.worker.run_queue import RunQueue
from dashboard.worker.run_task import RunTask
from dashboard.worker.runs_in_flight import RunsInFlight
from dashboard.worker.saving_again import SavingAgain
from dashboard.worker.scheduler import Scheduler
from dashboard.worker.snapshots import LabView, ModelRequest, RunSnapshot, Snapshot
from dashboard.worker.stored_runs import open_stored, stored_facts
from dashboard.worker.taking_over import take_over
from dashboard.worker.task import ENDED, NO_MODEL, Priority, Task, once
from dashboard.worker.tasks import Tasks
from dashboard.worker.under_way import UnderWay
from dashboard.worker.waiting_time import seconds_until_done, work_left, work_of_people
from dashboard.worker.watchers import Watchers
from dashboard.worker.zipped_frames import add_frames
from sdlab.errors import ModelError
from sdlab.experiment.experiment import Experiment
from sdlab.runs.retention import EVERYTHING, Retention, no_room
from sdlab.runs.trash import RUN

if TYPE_CHECKING:
    import pandas as pd
    from zipstream import ZipStream

    from sdlab.models.model import Model
    from sdlab.work import Work

log = logging.getLogger(__name__)

ASK_SECONDS = 60.0
BROKE = "the worker broke"
MIB = 2**20
QUICK_SHARE = 10
"""A call that takes a tenth of what it may hold people up is not worth pausing in."""


class Worker:
    """A few models, an engine each, one thread.

    Args:
        runs: Folder of the stored runs.
        sentence: Returns what to tell a person about an exception.
        load: As ``sdlab.load``; that one by default.
        connected: Tells whether a session's browser is connected.
        after_page: Whether to import torch only after ``wake``: the import holds the interpreter
            for seconds, and the first page should paint before.
        operator: Tells of an id whether it is an operator's; everybody's is by default.
        models: Which models there may be, and for whom.
        keeping: What is kept of the runs.
        limits: What one person may have; any amount by default.
        max_call_seconds: How long a network call of one person's run may hold up others, in
            seconds.

    Attributes:
        runs: Folder of the stored runs.
        owned: What is stored, and who may change it.
        pictures: Those that people brought to start from.
        measures: What is counted and timed of its work.
    """

    def __init__(
        self,
        runs: Path,
        sentence: Callable[[BaseException], str],
        load: Callable[..., Any] | None = None,
        connected: Callable[[str], bool] = lambda session: True,
        after_page: bool = False,
        operator: Callable[[str], bool] = lambda id: True,
        models: ModelRules | None = None,
        keeping: Retention = EVERYTHING,
        limits: Limits | None = None,
        max_call_seconds: float = 2.0,
    ) -> None:
        self.runs = runs
        self._rules = keeping
        self.owned = OwnedThings(runs, operator)
        own = own_folder(runs)
        self._server = LivingServer(own / "servers")
        self._kept = QueueOnDisk(own / "queue.sqlite3", self._server.name)
        self._unreadable = take_over(self._kept, self._server, own)
        self._limits, self._operator = limits or Limits(), operator
        self.pictures = KeptPictures(runs, self._kept.pictures, self._picture_room)
        self._tasks = Tasks(sentence, connected)
        self._queue = RunQueue()
        self._loaded = LoadedBefore(own / "models.json")
        rules = models or ModelRules()
        self._asker, self._offered = rules.asker, OfferedModels(rules.offered)
        room = replace(rules.room, measured=self._loaded.bytes_of)
        self._held = HeldModels(sentence, load, self._loaded.note, room, self._offered.listed)
        self._painter = FramePainter(self._tasks, self._held, runs)
        self._flight = RunsInFlight(self._tasks, self._held, runs, self._painter.want)
        self._flight.complete, self._flight.blame = self.pictures.complete, self._blame
        self._flight.work = UnderWay(self._server.note)
        self.measures = Measures()
        self._flight.quick = max_call_seconds / QUICK_SHARE
        self._resumed = [self._resume(kept) for kept in self._kept.all()]
        self._schedulers = self._catalogue_task()
        self._scheduler = Scheduler(
            self._tasks,
            self._queue,
            self._held,
            self._flight,
            self._painter,
            self._flight.work,
            self.measures,
        )
        self._saving = SavingAgain(runs, self._unsaved, self.save_again)
        self._scheduler.in_spare = self._saving.try_again
        self._scheduler.check = self._check_size
        self._scheduler.start()
        if not after_page:
            self.wake()

    def wake(self) -> None:
        """Note that the first page is on its way to the browser."""
        self._scheduler.wake()

    def stop(self, timeout: float = 20.0) -> None:
        """End the thread at its next network call; the next server goes on with what is left."""
        self._scheduler.stop(timeout)
        self._kept.close()
        self._server.end()

    def health(self) -> Health:
        """Return how the worker is; waits for nothing, whatever it is busy with."""
        return self._scheduler.health()

    # Any task, by its id.

    def get(self, id: str) -> Snapshot | None:
        """Return the snapshot of a task that this server knows, or None."""
        return self._tasks.get(id)

    def touch(self, id: str, session: str) -> None:
        """Note that a session watches a task."""
        self._tasks.touch(id, session)

    def cancel(self, id: str, session: str, by: str = "") -> str:
        """Leave a task, and cancel it if nobody else wants it: "left", "cancelled" or "ended".

        Args:
            id: The task's.
            session: Which leaves.
            by: Who asks. With login a task is its owners': others only leave it, and who owns it
                with others gives up their part. "" is nobody in particular: without login whoever
                is the last to watch it cancels it.
        """
        task = self._tasks.find(id)
        if task is None or not by:
            return self._tasks.cancel(id, session)
        kind, name = thing_of(id, task.priority)
        mine = self.owned.may_end(kind, name, by, task.owner)
        return self._tasks.cancel(id, session, mine and not self.owned.leave(kind, name, by))

    # Runs.

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
        self.check_limits([experiment], owner, session)
        if refused := self.refusal(experiment.model):
            return self._refuse(experiment, refused)
        experiment = self.pictures.complete(experiment)
        self._check_overwriting(experiment, owner)
        trouble = self._trouble(experiment.model) or no_room(self.runs, self._rules, owner)
        for picture in experiment.pictures.values():
            if picture.has_pixels:
                self.pictures.keep(picture, owner)  # so that it survives an interruption
        self.owned.own(RUN, [experiment.id], owner)
        with ExitStack() as after, self._tasks.lock:  # the disk is waited for without the lock
            known = self._run(experiment.id)
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
                return experiment.id
            task = self._run_task(experiment, frames=frames)
            task.owner, task.session, task.mix = owner, session, mix
            self._tasks.know(task)
            if self._tasks.closed or trouble:
                after.callback(task.end, "failed", ModelError(trouble or ENDED))
                return task.id
            self._queue.append(task)
            self._queue.number()
            kept = self._kept.ask(experiment, owner=owner, session=session, frames=frames, mix=mix)
            task.apart = kept.deaths > 0
            self._tasks.lock.notify()
        self._kept.write()
        return task.id

    def get_run(self, run: str) -> RunSnapshot | None:
        """Return the snapshot of a run that this server knows, or None."""
        found = self.get(run)
        return found if isinstance(found, RunSnapshot) else None

    def seconds_until_done(self, run: str) -> float | None:
        """Return about how long a run that waits takes until it is done; None if not known."""
        with self._tasks.lock:
            task, waiting = self._run(run), self._queue.runs()
        speed = self._flight.speed
        if task is None or task not in waiting or not speed:
            return None
        going = [one for one in self._tasks.line(Priority.RUN) if isinstance(one, RunTask)]
        left = {one: work_left(one, self._usual_size(one)) for one in (*going, *waiting)}
        before = [*going, *waiting[: waiting.index(task) + 1]]
        own = sum(left[one] for one in before if one.person == task.person)
        studies = self._tasks.line(Priority.STUDY)
        others = work_of_people(left, studies, but=task.person).values()
        return seconds_until_done(own, others, speed)

    def _usual_size(self, task: RunTask) -> tuple[int, int] | None:
        held = self._held.named(task.experiment.model)
        return held.view.default_size if held else None

    def jobs(self) -> list[RunSnapshot]:
        """Return the snapshots of all runs that are not simply done, latest first."""
        found = [task.snapshot for task in reversed(self._tasks.all(Priority.RUN))]
        return [run for run in found if isinstance(run, RunSnapshot) and run.state != "done"]

    def unreadable(self) -> list[str]:
        """Return what is wrong with the notes of interrupted runs that could not be read."""
        return [*self._unreadable, *self._kept.unreadable()]

    def resumed(self, owner: str | None = None) -> list[RunSnapshot]:
        """Return the runs that servers before this one left, as far as they still wait or run.

        Args:
            owner: Whose; None for everybody's.
        """
        left = [task for task in self._resumed if task.live and not task.cancelled]
        if left and owner is not None:
            owners = self.owned.all_owners(RUN)
            left = [task for task in left if owner in owners.get(task.id, (task.owner,))]
        return [task.snapshot for task in left]

    def live_runs(self) -> list[RunSnapshot]:
        """Return the runs that wait or are made."""
        return [run for run in self.jobs() if run.live]

    def longest_wait(self) -> float:
        """Return how long the run that waits longest has waited, in seconds."""
        with self._tasks.lock:
            asked = [run.asked for run in self._queue.runs()]
        return time.monotonic() - min(asked) if asked else 0.0

    def live_studies(self) -> int:
        """Return how many long computations wait or go on that are no runs."""
        return sum(task.live for task in self._tasks.all(Priority.STUDY))

    def model_bytes(self) -> int:
        """Return the bytes that the weights in memory take."""
        return sum(held.view.memory_bytes for held in self._held.all)

    def queue_trouble(self) -> str:
        """Return why the queue would be lost if the server ended, in a sentence; "" if not."""
        return self._kept.trouble

    def save_again(self, run: str) -> None:
        """Try once more to write a run whose picture is whole but could not be written."""
        with self._tasks.lock:
            task = self._run(run)
            if task is not None and not task.live and task.snapshot.unsaved:
                task.ended = partial(self._run_ended, task)
                self._flight.save_again(task)
                self._tasks.enter(task, Priority.QUESTION)

    def dismiss(self, run: str, by: str = "") -> None:
        """Forget a run that ended without a picture.

        Raises:
            NotYoursError: If it is not theirs.
        """
        with self._tasks.lock:
            task = self._run(run)
            if task is not None and not task.live:
                if not self.owned.may_end(RUN, run, by, task.owner):
                    self.owned.check(RUN, run, by, "dismiss it")
                self._tasks.forget(run)
                self._kept.drop(run)
        self._kept.write()

    # The model.

    def status(self) -> LabView:
        """Return the laboratory at this moment."""
        held, asker = self._held, self._asker()
        with self._tasks.lock:
            chosen = self._offered.meant(asker, held)
            return LabView(
                model=chosen.view if chosen else None,
                held=tuple(one.view for one in self._offered.among(asker, held)),
                vae_overflows=chosen is not None and chosen.model.vae.overflowed,
                at_hand=self._offered.next_for(asker, held, self._queue.usual_model()),
                loading=self._offered.called(asker, held.loading),
                stage=held.stage,
                may_cancel_load=self._may_cancel_load(),
                load_error=self._offered.said(asker, held.load_error),
                load_cancelled=held.load_cancelled,
                running=len(self._flight),
                studies=sum(task.live for task in self._tasks.all(Priority.STUDY)),
                pace=self._flight.pace,
                queued=len(self._queue.runs()),
                known=self._offered.names(asker, held),
                stopped=self._tasks.closed,
            )

    def load(self, request: ModelRequest, owner: str = "") -> bool:
        """Ask for another model, to be loaded after the runs before it; return whether it will be.

        Name, device and configs are checked at once, in the caller's thread, so that a model that
        cannot be loaded delays nobody; then ``status().load_error`` says why.

        Args:
            request: What to load.
            owner: Who asks; "" is nobody in particular.

        Raises:
            ModelError: If whoever asks may not have it; they are told the same whether it is there
                or not.
        """
        if refused := self.refusal(request.source):
            raise ModelError(refused)
        request = self._offered.request_for(self._asker(), request)
        trouble = ENDED if self._tasks.closed else self._held.trouble(request)
        with self._tasks.lock:
            self._held.load_error, self._held.load_cancelled = trouble, False
            if trouble:
                return False
            self._queue.append(replace(request, owner=owner))
            self._held.expect(self._queue.next_model())
            self._tasks.lock.notify()
        return True

    def over_limit(
        self,
        experiments: Sequence[Experiment],
        owner: str = "",
        session: str = "",
        queued: bool = True,
    ) -> str:
        """Return in a sentence why somebody may not have these runs now; "" if they may.

        What is stored, or being made already, does not count. Operators have no limits.

        Args:
            experiments: The runs.
            owner: Who asks; "" is nobody in particular.
            session: The browser session that asks.
            queued: Whether they would wait in the queue, as a sweep's do not.
        """
        if owner and self._operator(owner):
            return ""
        for experiment in experiments:
            held = self._held.named(experiment.model)
            size = held.view.default_size if held else None
            if told := self._limits.too_large([experiment], size):
                return told
        if self._limits.queued_runs is None or not queued:
            return ""
        live = {task.id for task in self._tasks.all(Priority.RUN) if task.live}
        own = sum(self._is_of(run, owner or session) for run in live)
        new = [one for one in experiments if one.id not in live]
        if own + len(new) > self._limits.queued_runs:
            new = [one for one in new if not self._flight.made(one, mix=True)]
        return self._limits.too_many(len(new), own) if new else ""

    def check_limits(
        self, experiments: Sequence[Experiment], owner: str = "", session: str = ""
    ) -> None:
        """Refuse runs that are more than somebody may have, before the first is asked for.

        Raises:
            LimitError: If they are, as ``over_limit`` says.
        """
        if told := self.over_limit(experiments, owner, session):
            raise LimitError(told)

    def claim(
        self,
        experiments: Sequence[Experiment],
        owner: str = "",
        session: str = "",
        queued: bool = True,
    ) -> None:
        """Note runs that will be made as somebody's, after all that ``submit`` checks of each.

        All of them or none: what is made of several runs is refused before the first.

        Args:
            experiments: The runs.
            owner: Who asks; "" is nobody in particular.
            session: The browser session that asks.
            queued: Whether they will wait in the queue, as a sweep's do not.

        Raises:
            LimitError: If they are more than somebody may have.
            NotYoursError: If somebody else's run, made by other weights, would be lost.
        """
        if told := self.over_limit(experiments, owner, session, queued):
            raise LimitError(told)
        full = no_room(self.runs, self._rules, owner)
        if full and not all(self._flight.made(one, mix=True) for one in experiments):
            raise LimitError(full)
        offered = [one for one in experiments if not self.refusal(one.model)]
        for experiment in offered:
            self._check_overwriting(experiment, owner)
        self.owned.own(RUN, [one.id for one in offered], owner)

    def refusal(self, name: str) -> str:
        """Return why whoever asks may not have a model, or ""; looks at no disk."""
        return self._offered.refusal(self._asker(), name)

    def offered(self) -> tuple[ModelRequest, ...]:
        """Return the models that the operator offers to everybody, as they are loaded."""
        return tuple(self._offered.listed.values())

    def _may_cancel_load(self) -> bool:
        asker = self._asker()
        return asker.anything or asker.owner == self._held.loading_for

    def in_place_of(self, name: str) -> tuple[str, ...]:
        """Return the names of the models in memory that go when another is loaded."""
        return () if self.refusal(name) else self._held.in_place_of(name)

    def cancel_load(self) -> None:
        """End the load in progress at its next stage, or the first that waits.

        The model before is then in use, loaded again if it was released already. Only who asked for
        it may, and who may have any model.
        """
        with self._tasks.lock:
            if not self._may_cancel_load():
                return
            if self._held.stage is not None:
                self._held.unwanted = True
            else:
                self._held.expect(self._queue.drop_model())

    def loaded_before(self) -> tuple[LoadedModel, ...]:
        """Return the models that were loaded, also before the server's last start; latest first."""
        return self._loaded.all()

    def in_spare_time(self, key: str, function: "Callable[[], Any]") -> Snapshot:
        """Return how far a computation is that needs no model; it is done when nothing else is.

        It has the worker's thread to itself: what builds networks, even without weights, changes
        PyTorch for all threads while it does so.

        Args:
            key: Identifies what decides the result; one that is known is not done again.
            function: What to compute; called in the worker's thread.
        """
        known = self.get(key)
        if known is None:
            known = Snapshot(key)
            make = once(lambda model: function())
            words = self._tasks.sentence
            task = Task(known, Priority.CATALOGUE, make, words, model_hash=NO_MODEL)
            self._tasks.begin(task)
        return known

    def ask(
        self,
        function: "Callable[[Any], Answer]",
        model_hash: str | None = None,
        session: str | None = None,
        timeout: float = ASK_SECONDS,
    ) -> Answer:
        """Return ``function(model)``, called in the worker's thread; see ``questions.ask``.

        Without a hash it is asked of the model that whoever asks works with.
        """
        self.wake()
        if model_hash is None and (model := self.status().model) is not None:
            model_hash = model.hash
        return questions.ask(self._tasks, function, model_hash, session, timeout)

    def study(
        self,
        key: str,
        make: "Callable[[Model], Work[Any]]",
        model_hash: str,
        session: str,
        stored: bool = False,
        owner: str = "",
    ) -> None:
        """Ask for a long computation; one of the same key that waits, runs or is done is joined.

        Args:
            key: Identifies everything that decides the result.
            make: Returns the generator; called in the worker's thread with the model.
            model_hash: Of the model that is meant, one of those in memory.
            session: Who asks.
            stored: Whether it stores its result itself: it then goes on while nobody watches, and
                is known no longer once it is done.
            owner: Whose it is; "" is nobody in particular.

        Raises:
            LimitError: If they have as many under way as one person may have on this server.
        """
        self.wake()
        self.check_study(key, owner, session)
        self._tasks.study(key, make, model_hash, session, stored, owner)

    def catalogue(self, timeout: float = 600.0) -> "pd.DataFrame | None":
        """Return the table of ``sdlab.schedulers``; waits for it, None if it does not come."""
        self.wake()
        with self._tasks.lock:
            if self._tasks.withdraw(self._schedulers):
                self._tasks.enter(self._schedulers, Priority.QUESTION)
        self._ready.wait(timeout)
        model = self.status().model
        held = self._held.of(model.hash) if model else None
        return held.catalogue if held else None

    # The frames of stored runs.

    def want_frames(self, run: str) -> None:
        """Ask for the frames of a stored run; see ``sheet``."""
        self._painter.want(run)

    def decoding(self, run: str) -> "Callable[[Any], Work[None]]":
        """Return the study that decodes all frames of a stored run, see ``FramePainter``."""
        return partial(self._painter.decoding, run)

    def paints(self, run: str) -> bool:
        """Return whether the frames of a run are still being made."""
        return self._painter.busy_with(run)

    def sheet(self, run: str) -> Sheet | None:
        """Return the best frames of a run that there are by now."""
        return read_sheet(self._painter.folder, run)

    def add_frames(self, run: str, archive: "ZipStream") -> None:
        """Add the frames of a stored run to its zip, drawn anew when the zip comes to them.

        Raises:
            StoreError: If the run is gone or damaged.
        """
        opened = open_stored(self.runs, run)
        how = self._held.means(opened.manifest["model"]["hash"])[-1][0]
        add_frames(archive, opened, how, self.ask, self.sheet(run))

    def _check_size(self, task: RunTask, size: tuple[int, int]) -> None:
        """Refuse a run that is too large, once it is known how large its model's pictures are.

        Raises:
            LimitError: If it is.
        """
        if task.owner and self._operator(task.owner):
            return
        if told := self._limits.too_large([task.experiment], size):
            raise LimitError(told)

    def check_study(self, key: str, owner: str = "", session: str = "") -> None:
        """Refuse a long computation that is one too many; one that goes on or is done is joined.

        Args:
            key: Of the computation.
            owner: Who asks; "" is nobody in particular.
            session: The browser session that asks.

        Raises:
            LimitError: If they have as many under way as one person may have on this server.
        """
        known = self._tasks.find(key)
        if known is not None and (known.live or known.snapshot.state == "done"):
            return
        if owner and self._operator(owner):
            return
        studies = self._tasks.all(Priority.STUDY)
        live = sum(task.live and task.person == (owner or session) for task in studies)
        if told := self._limits.too_busy(live):
            raise LimitError(told)

    def _picture_room(self, owner: str) -> float:
        """Return the bytes that the kept pictures which a person brought may take."""
        mib = self._limits.upload_mib
        return math.inf if mib is None or (owner and self._operator(owner)) else mib * MIB

    def _check_overwriting(self, experiment: Experiment, owner: str) -> None:
        """Let nobody make a run again over somebody else's that other weights have made.

        An exact one may take the place of one from shared calls: it is the same but for rounding.
        """
        if not self._held.all or self._flight.made(experiment, mix=True):
            return
        if stored_facts(self.runs, experiment.id) is not None:
            doing = "make it again by other weights; another seed makes a run of your own"
            self.owned.check(RUN, experiment.id, owner, doing)

    def _unsaved(self) -> list[RunTask]:
        """Return the runs whose pictures are whole but could not be written."""
        tasks = self._tasks.all(Priority.RUN)
        return [task for task in tasks if isinstance(task, RunTask) and task.snapshot.unsaved]

    def _refuse(self, experiment: Experiment, why: str) -> str:
        """Know a run that whoever asks may not have as failed; one that goes on is left alone."""
        with ExitStack() as after, self._tasks.lock:
            known = self._run(experiment.id)
            if known is None or not (known.live or known.snapshot.unsaved):
                task = self._run_task(experiment)
                self._tasks.know(task)
                after.callback(task.end, "failed", ModelError(why))
        return experiment.id

    def _is_of(self, run: str, person: str) -> bool:
        task = self._tasks.find(run)
        return task is not None and task.person == person

    def _run(self, run: str) -> RunTask | None:
        task = self._tasks.find(run)
        return task if isinstance(task, RunTask) else None

    def _run_task(
        self, experiment: Experiment, state: str = "queued", frames: bool = True
    ) -> RunTask:
        task = RunTask(
            RunSnapshot(experiment.id, state, experiment=experiment),
            Priority.RUN,
            words=self._flight.sentence_of,
            watchers=Watchers(self._tasks.connected),
            model_hash=NO_MODEL,  # its model's name has its place in the queue
            frames=frames,
        )
        task.ended = partial(self._run_ended, task)
        return task

    def _blame(self, runs: Sequence[str], point: str) -> dict[str, str]:
        """Count that the worker broke in the midst of runs; return why some are set aside."""
        aside = self._kept.blame(runs, point, BROKE)
        self._kept.write()
        return {kept.id: kept.error for kept in aside}

    def _resume(self, kept: KeptRun) -> RunTask:
        """Know a run that was asked for before this server's start, and go on with it."""
        task = self._run_task(kept.experiment, frames=kept.frames)
        task.owner, task.session, task.mix = kept.owner, kept.session, kept.mix
        task.apart = kept.deaths > 0
        self._tasks.know(task)
        if kept.waits:
            self._queue.append(task)
            self._queue.number()
            self._held.know(self._loaded.request_of(kept.experiment.model))
        else:
            task.set(state=kept.state, error=kept.error)
        return task

    def _run_ended(
        self, task: RunTask, state: str, error: BaseException | None, result: object
    ) -> None:
        self.measures.run_ended(state, task.spent)
        if state == "done":
            self.owned.own_if_nobody_does(RUN, task.id, task.owner)
        with self._tasks.lock:
            if state == "interrupted" or task.snapshot.unsaved:
                return  # the next server makes it
            if self._tasks.find(task.id) in (task, None):  # not asked for anew in the meantime
                if state == "failed":
                    self._kept.fail(task.id, task.snapshot.error)
                else:
                    self._kept.drop(task.id)
        self._kept.write()

    def _catalogue_task(self) -> Task:
        self._ready = threading.Event()
        task = Task(
            Snapshot("catalogue"),
            Priority.CATALOGUE,
            once(lambda model: self._held.make_catalogues()),
            model_hash=NO_MODEL,
            ended=self._listed,
        )
        self._tasks.enter(task)
        return task

    def _listed(self, state: str, error: BaseException | None, result: object) -> None:
        if error is not None and not self._tasks.closed:  # also what a plugged-in sampler raises
            log.error("no catalogue of schedulers: %s", self._tasks.sentence(error))
        self._ready.set()

    def _trouble(self, name: str) -> str:
        """Return why a model cannot be loaded; of one that was, or waits to be, nothing."""
        with self._tasks.lock:
            known = name in self._held.requests or name in self._queue.models()
        return "" if known else self._held.trouble(self._held.request_for(name))
