"""The worker's thread: one loop over all tasks by their priority.

It admits runs into the engine first come, first served, drives it one network call at a time, and
changes the model only when no run of the old one is in flight.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from dashboard.worker.frame_painter import FramePainter
from dashboard.worker.held_model import HeldModel
from dashboard.worker.run_queue import RunQueue, model_of
from dashboard.worker.run_task import RunTask
from dashboard.worker.runs_in_flight import RunsInFlight
from dashboard.worker.snapshots import ModelRequest
from dashboard.worker.task import Priority
from dashboard.worker.tasks import Tasks
from sdlab.errors import ModelError
from sdlab.models.loading_stages import LoadingCancelled
from sdlab.shipped import EMBEDDED

log = logging.getLogger(__name__)

IN_FLIGHT = 32
IDLE_SECONDS = 0.5
LONGEST_PAINT_SECONDS = 5.0
# After a run what nobody waits for leaves the interpreter to the page that shows its picture.
BREATH_SECONDS = 1.5


@dataclass(eq=False)
class Scheduler:
    """Does the tasks of a worker, in a thread of its own.

    Attributes:
        tasks: What there is to do.
        queue: The runs and models that wait for what runs before them.
        held: The model.
        flight: The runs in the engine.
        painter: Draws frames.
        in_spare: What else is done now and then, between two pieces of work.
    """

    tasks: Tasks
    queue: RunQueue
    held: HeldModel
    flight: RunsInFlight
    painter: FramePainter
    in_spare: Callable[[], None] = lambda: None
    _stopping: bool = False
    _awake: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Start the thread, which waits for ``wake``, though not for long."""
        self.thread = threading.Thread(target=self._live, name="sdlab-worker", daemon=True)
        self.thread.start()

    def wake(self) -> None:
        """Begin, if it has not, and look for work."""
        self._awake.set()
        with self.tasks.lock:
            self.tasks.lock.notify()

    def stop(self, timeout: float) -> None:
        """End the thread at its next network call; runs in flight become interrupted."""
        self._stopping = True
        self.wake()
        self.thread.join(timeout)

    def _live(self) -> None:
        try:
            self._awake.wait(LONGEST_PAINT_SECONDS)
            if not self._stopping:
                self._safely(partial(self._change_model, self.held.request_for(EMBEDDED)))
            while not self._stopping:
                if not self._safely(self._turn):
                    with self.tasks.lock:
                        if not (self._stopping or self.tasks or self.queue):
                            self.tasks.lock.wait(IDLE_SECONDS)
        finally:
            self.tasks.close()
            self.queue.clear()
            self.held.engine = self.held.model = None

    def _safely(self, work: Callable[[], bool]) -> bool:
        """Do one piece of work; a bug ends the runs that it may have damaged, never the worker.

        Everything raised is caught, even SystemExit, which a plug-in sampler may raise: this is a
        thread of a server.
        """
        try:
            return work()
        except BaseException as error:
            log.exception("a defect in the worker")
            defect = error
        try:
            self.flight.fail_all(defect)
        except BaseException:
            log.exception("a defect in the worker's care for a defect")
        return False

    def _turn(self) -> bool:
        """Do one piece of what comes first, and of all that shares a turn with it."""
        with self.tasks.lock:
            dropped = self.queue.drop_cancelled()
        for task in dropped:
            task.end("cancelled")
        self.in_spare()
        self._admit()
        worked, now_done = False, self.flight.seconds_since() < BREATH_SECONDS
        for priority in Priority:
            if priority is Priority.RUN:
                worked |= self.flight.round()
            elif not (now_done and priority is Priority.CATALOGUE):
                worked |= self.tasks.step(priority, *self.held.at_hand())
            if worked and priority >= Priority.RUN:
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

    def _admit(self) -> None:
        while self.queue and not self._stopping:
            head = self.queue[0]
            fits = isinstance(head, RunTask) and self.held.holds(model_of(head))
            if len(self.flight) and (not fits or len(self.flight) >= IN_FLIGHT):
                return
            with self.tasks.lock:
                self.queue.popleft()
                self.queue.number()
            if isinstance(head, ModelRequest):
                self._change_model(head)
                continue
            try:
                self._begin(head, fits)
            except BaseException as error:  # it is out of the queue and not in flight
                head.end("failed", error)

    def _begin(self, task: RunTask, fits: bool) -> None:
        if not (fits or self._change_model(self.held.request_for(model_of(task)))):
            task.end("failed", ModelError(self.held.load_error))
        elif self.flight.made(task.experiment, task.mix):
            task.end("done")
        else:
            self.flight.begin(task)

    def _change_model(self, request: ModelRequest) -> bool:
        """Load a model; if that fails, say why and load the one before again."""
        held = self.held
        with self.tasks.lock:
            held.loading, held.load_error, held.unwanted = request.source, "", False
        self.tasks.let_go()
        self.painter.forget_settled()
        self.flight.forget_pace()
        before = held.request_for(held.view.name if held.view else EMBEDDED)
        error, cancelled = "", False
        try:
            held.swap(request)
        except BaseException as trouble:
            error, cancelled = held.sentence_of(request, trouble), _is_cancel(trouble)
            for other in (before, held.request_for(EMBEDDED)):
                if held.view is None and other.source != request.source:
                    self._change_model(other)
        with self.tasks.lock:
            waits = self.queue.models()
            held.loading = waits[0] if waits else ""
            held.load_error = error or held.load_error  # of a request refused in the meantime
            held.load_cancelled = cancelled
        return not error


def _is_cancel(trouble: BaseException) -> bool:
    return isinstance(trouble, LoadingCancelled)
