"""The worker's thread: one loop over all tasks by their priority.

People take turns, by what their work has cost so far (``turns``): the runs of one, however many, do
not hold up another's first. It admits runs into the engine of their model, those of models in
memory before others, though nobody is overtaken for ever, and drives the engines one network call
at a time, a long one in pieces. It takes no model out while a run or a study is on it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from dashboard.worker.frame_painter import FramePainter
from dashboard.worker.health import Health
from dashboard.worker.held_model import HeldModel
from dashboard.worker.held_models import HeldModels
from dashboard.worker.measures import Measures
from dashboard.worker.model_loader import ModelLoader
from dashboard.worker.model_turns import ModelTurns
from dashboard.worker.run_queue import RunQueue, model_of
from dashboard.worker.run_task import RunTask
from dashboard.worker.runs_in_flight import LOOK_SECONDS, RunsInFlight
from dashboard.worker.snapshots import ModelRequest
from dashboard.worker.task import Priority, Task
from dashboard.worker.tasks import Tasks
from dashboard.worker.turns import Meter
from dashboard.worker.under_way import UnderWay
from dashboard.worker.worker_thread import WorkerThread
from sdlab.errors import ModelError
from sdlab.pauses import giving_way
from sdlab.shipped import EMBEDDED

IN_FLIGHT = 32
IDLE_SECONDS = 0.5
LONGEST_PAINT_SECONDS = 5.0
# After a run what nobody waits for leaves the interpreter to the page that shows its picture.
BREATH_SECONDS = 1.5

_WORDS = {
    Priority.QUESTION: "a question",
    Priority.STUDY: "a computation",
    Priority.SKETCH: "a sketch",
    Priority.CATALOGUE: "the catalogue",
    Priority.PAINTING: "frames",
}


@dataclass(eq=False)
class Scheduler:
    """Does the tasks of a worker, in a thread of its own.

    Attributes:
        tasks: What there is to do.
        queue: The runs and models that wait for what runs before them.
        held: The models.
        flight: The runs in the engines.
        painter: Draws frames.
        work: What the thread is doing.
        measures: Counts what it did.
        in_spare: What else is done now and then, between two pieces of work.
        check: Raises if a run may not be made at its model's own size, (width, height) in pixels.
        check_owner: Raises if a run may not be made in the place of one that its model, which is
            in memory by now, has not made.
    """

    tasks: Tasks
    queue: RunQueue
    held: HeldModels
    flight: RunsInFlight
    painter: FramePainter
    work: UnderWay
    measures: Measures
    in_spare: Callable[[], None] = lambda: None
    check: Callable[[RunTask, tuple[int, int]], None] = lambda task, size: None
    check_owner: Callable[[RunTask], None] = lambda task: None
    turns: ModelTurns = field(default_factory=ModelTurns)
    _own: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep every model in memory that something is on."""
        self.held.busy = self.in_use
        self.flight.others_wait = self._others_wait
        self.loader = ModelLoader(
            self.tasks, self.queue, self.held, self.flight, self.painter, self.work, self.measures
        )

    def in_use(self, held: HeldModel) -> bool:
        """Return whether a run or a study is on a model, which must stay for it."""
        return self.flight.uses(held) or self._is_studied(held)

    def start(self) -> None:
        """Start the thread, which waits for ``wake``, though not for long."""
        self.life = WorkerThread(
            self._first,
            self._turn,
            self._rest,
            self._mend,
            self._close,
            self.work,
            self.measures,
            LONGEST_PAINT_SECONDS,
        )
        self.life.start()

    def wake(self) -> None:
        """Begin, if it has not, and look for work."""
        self.life.wake()
        with self.tasks.lock:
            self.tasks.lock.notify()

    def stop(self, timeout: float) -> None:
        """End the thread at its next network call; runs in flight become interrupted."""
        self.life.stopping = True
        with self.tasks.lock:
            self.tasks.lock.notify()
        self.life.stop(timeout)

    def health(self) -> Health:
        """Return how the worker is; waits for nothing."""
        health = self.life.health()
        if health.state == "idle" and not self.held.all and self.held.load_error:
            return replace(health, state="no model", reason="No model could be loaded.")
        return health

    @property
    def _stopping(self) -> bool:
        return self.life.stopping

    def _first(self) -> bool:
        """Load a model, if there is none yet."""
        return not self.held.all and self.loader.load(self.held.request_for(EMBEDDED))

    def _rest(self) -> None:
        with self.tasks.lock:
            if not (self._stopping or self.tasks or self.queue):
                self.tasks.lock.wait(IDLE_SECONDS)

    def _mend(self, defect: BaseException) -> None:
        """Let the runs in flight wait again, as the first, after what broke in their midst."""
        left = self.flight.begin_anew(defect)
        with self.tasks.lock:
            self.queue.extendleft(reversed(left))
            self.queue.number()

    def _close(self) -> None:
        self.tasks.close()
        self.queue.clear()
        for held in self.held.all:
            held.engine.close()
        self.held.all = ()

    def _turn(self) -> bool:
        """Do one piece of what comes first, and of all that shares a turn with it."""
        with self.tasks.lock:
            dropped = self.queue.drop_cancelled()
        for task in dropped:
            task.end("cancelled")
        self._note_busy()
        self.in_spare()
        self._admit()
        worked = [self._step(Priority.QUESTION), self._step(Priority.SKETCH), self._serve()]
        if any(worked):
            return True
        now_done = self.flight.seconds_since() < BREATH_SECONDS
        if not now_done and self._step(Priority.CATALOGUE) or self._step(Priority.PAINTING):
            return True
        if now_done:
            with self.tasks.lock:
                if not (self._stopping or self.queue):
                    self.tasks.lock.wait(BREATH_SECONDS / 15)
            return False
        self.held.collect()
        if self.held.measure_again():
            self.painter.forget_settled()  # what was settled can be drawn better now
        return False

    def _step(self, priority: Priority) -> bool:
        """Do a piece of a task of a line; return whether there was one."""
        with self.work.doing(_WORDS[priority]):
            task = self.tasks.step(priority, self.held.at_hand)
        if task is not None:
            self.flight.shares.spend(task, task.cost)
        return task is not None

    def _step_study(self, study: Task | None) -> bool:
        """Do a piece of a study; return whether there was one.

        The runs that it makes as they are let others go first in the midst of their long calls.
        """
        if study is None:
            return False
        meter = Meter(self.flight.shares, study)

        def others_wait() -> bool:
            if meter.seconds < LOOK_SECONDS:
                return False
            meter.note()
            return self._others_wait(study)

        gives_way = giving_way(others_wait, self.flight.quick)
        with self.work.doing(_WORDS[Priority.STUDY]), gives_way:
            self.tasks.step(Priority.STUDY, self.held.at_hand, study)
        meter.note()
        return True

    def _serve(self) -> bool:
        """Do a piece of the study, or of the run, whose turn it is; return whether there was one.

        A study that nobody wants any more is ended at once.
        """
        self.flight.drop_cancelled()
        study, run = self._study(), self.flight.first()
        place = self.flight.place
        if study is None or not study.cancelled and run is not None and place(run) < place(study):
            return self.flight.round()
        return self._step_study(study)

    def _study(self) -> Task | None:
        """Return the study whose turn it is, if there is one."""
        studies, place = self.tasks.line(Priority.STUDY), self.flight.place
        return min(studies, key=lambda task: (not task.cancelled, place(task)), default=None)

    def _others_wait(self, task: Task) -> bool:
        """Return whether others come before a task that is in the midst of a long call."""
        if self._stopping or task.cancelled or self._newcomer():
            return True
        if self.tasks.line(Priority.QUESTION) or self.tasks.line(Priority.SKETCH):
            return True
        place = self.flight.place
        waiting = [one for one in (self._study(), self.flight.first()) if one is not None]
        first = [one for one in waiting if place(one) < place(task)]
        return any(one.person != task.person or self.flight.is_quick(one) for one in first)

    def _note_busy(self) -> None:
        lines = self.tasks.line(Priority.RUN), self.tasks.line(Priority.STUDY)
        with self.tasks.lock:
            waiting = [item.person for item in self.queue]
        self.flight.shares.note_busy({*waiting, *(task.person for line in lines for task in line)})

    def _newcomer(self) -> bool:
        """Return whether somebody waits of whom nothing is in flight."""
        own = self.flight.people()
        with self.tasks.lock:
            new = [item for item in self.queue if not own[item.person]]
        return any(self._may_load(item.person) or self._is_here(item) for item in new)

    def _admit(self) -> None:
        begin = self.flight.shares.people.begin
        while self.queue and not self._stopping:
            self._own = self.flight.people()
            with self.tasks.lock:
                line = self.queue.in_turn(self._own, begin)
                item = self.turns.choose(line, self._can_begin, self._is_here, self._runs_alone)
                if item is None:
                    return
                self.queue.remove(item)
                self.queue.number()
                loads = not self._is_here(item)
            self._take_up(item)
            if loads:
                return  # what is in flight has its turn between two loads

    def _take_up(self, item: RunTask | ModelRequest) -> None:
        if isinstance(item, ModelRequest):
            self.loader.take_up(item)
            return
        try:
            self._begin(item)
        except BaseException as error:  # it is out of the queue and not in flight
            item.end("failed", error)

    def _is_here(self, item: RunTask | ModelRequest) -> bool:
        """Return whether the model that something in the queue needs is in memory."""
        if isinstance(item, ModelRequest):
            return self.held.same(item) is not None
        return self.held.for_run(model_of(item)) is not None

    def _can_begin(self, item: RunTask | ModelRequest) -> bool:
        """Return whether something in the queue could begin now."""
        if isinstance(item, RunTask) and len(self.flight) >= IN_FLIGHT and self._own[item.person]:
            return False
        if self._is_here(item):
            return True
        return self._may_load(item.person) and self.held.can_load(self._wanted(item))

    def _may_load(self, person: str) -> bool:
        """Return whether it is somebody's turn to have a model loaded, for which all must wait."""
        begin = self.flight.shares.people.begin
        lines = self.tasks.line(Priority.RUN), self.tasks.line(Priority.STUDY)
        others = {task.person for line in lines for task in line} - {person}
        return all(begin(person) <= begin(other) for other in others)

    def _runs_alone(self, item: RunTask | ModelRequest) -> bool:
        """Return whether something in the queue waits for runs in flight, and for no study."""
        return self._is_here(item) or self.held.can_load(self._wanted(item), self._is_studied)

    def _wanted(self, item: RunTask | ModelRequest) -> ModelRequest:
        return item if isinstance(item, ModelRequest) else self.held.request_for(model_of(item))

    def _is_studied(self, held: HeldModel) -> bool:
        return self.tasks.studies(held.view.hash)

    def _begin(self, task: RunTask) -> None:
        name = model_of(task)
        request = replace(self.held.request_for(name), owner=task.owner, session=task.session)
        with self.work.doing("loading a model", (task.id,), "loading its model"):
            if not self.held.for_run(name) and not self.loader.load(request):
                raise ModelError(self.held.why_not(name))
        self.check_owner(task)
        if self.flight.made(task.experiment, task.mix):
            task.end("done")
            return
        held = self.held.for_run(name)
        assert held is not None
        self.check(task, held.view.default_size)
        self.flight.begin(task, held)
