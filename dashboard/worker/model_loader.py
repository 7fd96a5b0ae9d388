"""Loads models in the worker's thread; if one cannot be loaded, there is another again."""

import time
from dataclasses import dataclass

from dashboard.worker.frame_painter import FramePainter
from dashboard.worker.held_models import HeldModels
from dashboard.worker.measures import Measures
from dashboard.worker.run_queue import RunQueue
from dashboard.worker.runs_in_flight import RunsInFlight
from dashboard.worker.snapshots import ModelRequest
from dashboard.worker.tasks import Tasks
from dashboard.worker.under_way import UnderWay
from sdlab.models.loading_stages import LoadingCancelled
from sdlab.shipped import EMBEDDED


@dataclass(eq=False)
class ModelLoader:
    """Loads what the queue asks for; belongs to the worker's thread.

    Attributes:
        tasks: Of the worker; what holds a model that goes lets go of it.
        queue: Where models wait.
        held: The models in memory.
        flight: Has another pace with another model, and knows whose turn it is.
        painter: Draws other frames with another model.
        work: What the thread is doing.
        measures: Counts the loads.
    """

    tasks: Tasks
    queue: RunQueue
    held: HeldModels
    flight: RunsInFlight
    painter: FramePainter
    work: UnderWay
    measures: Measures

    def take_up(self, request: ModelRequest) -> None:
        """Load a model if it is not in memory; it is then what pages use, if that is asked for."""
        if held := self.held.same(request):
            self.held.use(held)
            self.held.usual = request.source if request.usual else self.held.usual
        else:
            self.held.becoming = request.source if request.usual else ""
            self.load(request)
            self.held.becoming = ""
        self._note_loading()

    def load(self, request: ModelRequest) -> bool:
        """Load a model; if that fails, say why, and load the usual one again if it had to go.

        What it takes is a turn of who asks for it.
        """
        begun = time.monotonic()
        loaded = self._load(request)
        self.flight.shares.charge(request.person, time.monotonic() - begun)
        return loaded

    def _load(self, request: ModelRequest) -> bool:
        held = self.held
        with self.tasks.lock:
            held.loading, held.loading_for = request.source, request.owner
            held.load_error, held.unwanted = "", False
        self.tasks.let_go()
        self.painter.forget_settled()
        self.flight.pace.forget()
        error, cancelled = "", False
        try:
            with self.work.doing("loading a model"):
                held.load(request)
        except BaseException as trouble:
            error, cancelled = held.sentence_of(request, trouble), _is_cancel(trouble)
        if error and not held.all:
            for other in (held.request_for(held.usual), held.request_for(EMBEDDED)):
                if not held.all and other.source != request.source:
                    self._load(other)
        self._note_loading()
        with self.tasks.lock:
            if error:  # else it may be of a request refused in the meantime
                held.load_error, held.failed = error, request.source
            held.load_cancelled = cancelled
        self.measures.loaded(not error)
        return not error

    def _note_loading(self) -> None:
        """Note which model will be loaded next."""
        with self.tasks.lock:
            self.held.expect(self.queue.next_model())


def _is_cancel(trouble: BaseException) -> bool:
    return isinstance(trouble, LoadingCancelled)
