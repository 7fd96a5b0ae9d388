"""The worker: the models for everybody, and what pages may ask of it, from their own threads.

Whatever a page asks for is a task: ``submit`` a run, ``study`` something long, ``ask`` the model
a short question and wait, ``frames.want`` those of a run. Tasks go by ids; ``get``, ``touch`` and
``cancel`` are the same for all. What concerns one thing is a part's: ``models``, ``asked_runs``.
The calls only take the lock for a moment; the work is done by the ``Scheduler``'s thread. Nothing
here knows who draws the pages.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.worker import questions
from dashboard.worker.asked_runs import AskedRuns
from dashboard.worker.catalogue_table import CatalogueTable
from dashboard.worker.frame_painter import FramePainter
from dashboard.worker.health import Health
from dashboard.worker.held_models import HeldModels
from dashboard.worker.kept_pictures import KeptPictures
from dashboard.worker.known_runs import KnownRuns
from dashboard.worker.limits import Limits
from dashboard.worker.living_servers import LivingServer
from dashboard.worker.loaded_before import LoadedBefore
from dashboard.worker.measures import Measures
from dashboard.worker.model_rules import ModelRules
from dashboard.worker.models_asked import ModelsAsked
from dashboard.worker.offered_models import OfferedModels
from dashboard.worker.own_folder import own_folder
from dashboard.worker.owned import OwnedThings, thing_of
from dashboard.worker.people_limits import PeopleLimits
from dashboard.worker.questions import Answer
from dashboard.worker.queue_on_disk import QueueOnDisk
from dashboard.worker.run_queue import RunQueue
from dashboard.worker.run_writer import RunWriter
from dashboard.worker.runs_in_flight import RunsInFlight
from dashboard.worker.saving_again import SavingAgain
from dashboard.worker.scheduler import Scheduler
from dashboard.worker.snapshots import LabView, Snapshot
from dashboard.worker.spare_time import in_spare_time
from dashboard.worker.taking_over import Inheriting, take_over
from dashboard.worker.task import Priority
from dashboard.worker.tasks import Tasks
from dashboard.worker.under_way import UnderWay
from sdlab.experiment.experiment import Experiment
from sdlab.runs.retention import EVERYTHING, Retention

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.models.model import Model
    from sdlab.work import Work

ASK_SECONDS = 60.0
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
        models: What people may ask of models.
        frames: Draws those of stored runs.
        limits: What each person may still have.
        known_runs: How far the runs are that were asked for.
        asked_runs: Where runs are asked for, saved again and dismissed.
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
        self.owned = OwnedThings(runs, operator)
        own = own_folder(runs)
        self._server = LivingServer(own / "servers")
        self._kept = QueueOnDisk(own / "queue.sqlite3", self._server.name)
        unreadable = take_over(self._kept, self._server, own)
        self.measures = Measures()
        self._tasks = tasks = Tasks(sentence, connected)
        self._queue = queue = RunQueue()
        rules, before = models or ModelRules(), LoadedBefore(own / "models.json")
        may_have = OfferedModels(rules.offered)
        room = replace(rules.room, measured=before.bytes_of)
        self._held = held = HeldModels(sentence, load, before.note, room, may_have.listed)
        self.models = ModelsAsked(tasks, queue, held, may_have, before, rules.asker)
        self.frames = FramePainter(tasks, held, runs)
        work = UnderWay(self._server.note)
        writer = RunWriter(tasks, runs, self.frames.want, work)
        self._flight = flight = RunsInFlight(tasks, held, writer)
        flight.quick = max_call_seconds / QUICK_SHARE
        self.limits = PeopleLimits(limits or Limits(), tasks, flight, operator)
        self.pictures = KeptPictures(runs, self._kept.pictures, self.limits.picture_room)
        flight.complete = self.pictures.complete
        self.known_runs = known = KnownRuns(
            tasks, queue, flight, self._kept, self.owned, unreadable
        )
        self.asked_runs = AskedRuns(
            known, self.models, self.limits, self.pictures, keeping, self.measures
        )
        flight.blame = self.asked_runs.blame
        self.asked_runs.resume()
        self._catalogue = CatalogueTable(tasks, held)
        self._scheduler = Scheduler(tasks, queue, held, flight, self.frames, work, self.measures)
        self._saving = SavingAgain(runs, known.unsaved, self.asked_runs.save_again)
        self._inheriting = Inheriting(self._kept, self._server, self.asked_runs.resume)
        self._scheduler.in_spare = self._in_spare
        self._scheduler.check = self.limits.check_size
        self._scheduler.check_owner = self.asked_runs.check_owner
        self._scheduler.start()
        if not after_page:
            self.wake()

    def _in_spare(self) -> None:
        self._saving.try_again()
        self._inheriting.look()

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

    def submit(
        self,
        experiment: Experiment,
        frames: bool = True,
        owner: str = "",
        session: str = "",
        mix: bool = False,
    ) -> str:
        """Ask for a run and return its id; see ``AskedRuns.submit``."""
        return self.asked_runs.submit(experiment, frames, owner, session, mix)

    def live_studies(self) -> int:
        """Return how many long computations wait or go on that are no runs."""
        return sum(task.live for task in self._tasks.all(Priority.STUDY))

    def status(self) -> LabView:
        """Return the laboratory at this moment."""
        asker = self.models.asker()
        with self._tasks.lock:
            return replace(
                self.models.view(asker),
                running=len(self._flight),
                studies=self.live_studies(),
                pace=self._flight.pace.seconds,
                queued=len(self._queue.runs()),
                stopped=self._tasks.closed,
            )

    def in_spare_time(self, key: str, function: Callable[[], Any]) -> Snapshot:
        """Return how far a computation is that needs no model; see ``spare_time``."""
        return in_spare_time(self._tasks, key, function)

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
        runs: Sequence[Experiment] = (),
    ) -> None:
        """Ask for a long computation with the model; see ``Tasks.study``.

        What it makes as ``runs``, or the largest of them, is held to the size that a run may have.

        Raises:
            LimitError: If they have as many under way as one person may have on this server, or one
                of the runs is too large.
        """
        self.wake()
        self.limits.check_study(key, owner, session, runs)
        self._tasks.study(key, make, model_hash, session, stored, owner)

    def catalogue(self, timeout: float = 600.0) -> "pd.DataFrame | None":
        """Return the table of ``sdlab.schedulers``; waits for it, None if it does not come."""
        self.wake()
        self._catalogue.wait(timeout)
        model = self.status().model
        return self._catalogue.of(model.hash) if model else None
