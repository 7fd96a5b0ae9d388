"""Long computations with the model that are not runs: inversions, eta comparisons, films.

A study is a generator (``sdlab.work``) that yields (done, total) after every network
evaluation. The worker's thread takes one step of one study between the network calls of the runs
in flight, so neither waits for the other's end. A study goes by a key: who asks for the same gets
the same one, and its result stays in memory for a while. It ends by itself when no browser that
asked for it is left.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dashboard.shell.messages import sentence
from dashboard.worker.questions import ENDED, told

if TYPE_CHECKING:
    from sdlab.models.model import Model
    from sdlab.work import Work

KEPT = 24
GRACE_SECONDS = 20.0
CHANGED = "Another model has been loaded in the meantime: start again."


@dataclass(frozen=True)
class StudyView:
    """A study at one moment.

    Attributes:
        state: "running", "done", "failed" or "cancelled".
        done: Pieces of work done.
        total: Pieces in all; 0 while unknown.
        seconds_left: By the pace so far; None before the first piece.
        result: What came of it, once it is done.
        error: What went wrong, in a sentence.
    """

    state: str = "running"
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    result: Any = None
    error: str = ""

    @property
    def live(self) -> bool:
        """Whether it still runs."""
        return self.state == "running"


@dataclass(eq=False)
class _Study:
    make: "Callable[[Model], Work[Any]]"
    model_hash: str
    sessions: set[str]
    view: StudyView = field(default_factory=StudyView)
    work: "Work[Any] | None" = None
    cancelled: bool = False
    started: float = 0.0
    seen: float = field(default_factory=time.monotonic)


class Studies:
    """The studies of a worker; all but ``step`` and ``let_go`` may be called from any thread.

    Args:
        notify: Wakes the worker's thread.
        connected: Tells whether a session's browser is connected.
    """

    def __init__(self, notify: Callable[[], None], connected: Callable[[str], bool]) -> None:
        self._notify = notify
        self._connected = connected
        self._lock = threading.Lock()
        self._studies: OrderedDict[str, _Study] = OrderedDict()
        self._turns: list[_Study] = []
        self._closed = False

    def __len__(self) -> int:
        return len(self._turns)

    def begin(
        self, key: str, make: "Callable[[Model], Work[Any]]", model_hash: str, session: str
    ) -> None:
        """Ask for a study; one of the same key that runs or is done is joined.

        Args:
            key: Identifies everything that decides the result.
            make: Returns the generator; called in the worker's thread with the model.
            model_hash: Of the model that is meant.
            session: Who asks.
        """
        with self._lock:
            study = self._studies.get(key)
            if study is not None and study.view.state in ("running", "done"):
                study.sessions.add(session)
                return
            study = self._studies[key] = _Study(make, model_hash, {session})
            if self._closed:
                study.view = StudyView("failed", error=ENDED)
            else:
                self._turns.append(study)
            self._studies.move_to_end(key)
            self._forget_old()
        self._notify()

    def get(self, key: str) -> StudyView | None:
        """Return a study's snapshot, or None if it is not known (any more)."""
        with self._lock:
            study = self._studies.get(key)
            if study is None:
                return None
            self._studies.move_to_end(key)
            return study.view

    def touch(self, key: str, session: str) -> None:
        """Note that a session waits for a study."""
        with self._lock:
            if key in self._studies:
                self._studies[key].sessions.add(session)

    def cancel(self, key: str, session: str) -> bool:
        """Leave a study and end it if nobody else waits; return whether it ends."""
        with self._lock:
            study = self._studies.get(key)
            if study is None:
                return False
            study.sessions.discard(session)
            study.cancelled = not any(self._connected(other) for other in study.sessions)
            return study.cancelled

    def step(self, model: "Model | None", model_hash: str, reason: str) -> bool:
        """Do one piece of the study whose turn it is; return whether there was one.

        Args:
            model: The model in memory, if there is one.
            model_hash: Its hash.
            reason: Why there is no model.
        """
        with self._lock:
            if not self._turns:
                return False
            study = self._turns.pop(0)
        if study.cancelled or self._abandoned(study):
            self._end(study, "cancelled")
        elif model is None or study.model_hash != model_hash:
            self._end(study, "failed", error=CHANGED if model is not None else reason)
        else:
            self._advance(study, model)
        return True

    def let_go(self, reason: str = CHANGED) -> None:
        """End all studies; the model that they hold goes."""
        with self._lock:
            left, self._turns = self._turns, []
        for study in left:
            self._end(study, "failed", error=reason)

    def close(self) -> None:
        """End all studies and refuse new ones; the worker has ended."""
        with self._lock:
            self._closed = True
        self.let_go(ENDED)

    def _advance(self, study: _Study, model: "Model") -> None:
        import torch

        try:
            with torch.no_grad():
                if study.work is None:
                    study.work, study.started = study.make(model), time.monotonic()
                done, total = next(study.work)
        except StopIteration as stop:
            self._end(study, "done", result=stop.value)
            return
        except BaseException as error:  # whatever it is, it is the study's
            self._end(study, "failed", error=sentence(told(error)))
            return
        each = (time.monotonic() - study.started) / max(1, done)
        left = each * (total - done)
        study.view = replace(study.view, done=done, total=total, seconds_left=left)
        with self._lock:
            self._turns.append(study)

    def _abandoned(self, study: _Study) -> bool:
        now = time.monotonic()
        if any(self._connected(session) for session in tuple(study.sessions)):
            study.seen = now
        return now - study.seen > GRACE_SECONDS  # a reload comes back in seconds

    def _end(self, study: _Study, state: str, result: Any = None, error: str = "") -> None:
        if study.work is not None:
            study.work.close()
        study.work = None
        study.make = _nothing
        study.view = replace(study.view, state=state, result=result, error=error, seconds_left=None)

    def _forget_old(self) -> None:
        ended = [key for key, study in self._studies.items() if not study.view.live]
        for key in ended[: max(0, len(ended) - KEPT)]:
            del self._studies[key]


def _nothing(model: "Model") -> "Work[Any]":
    raise AssertionError("an ended study was asked to begin again")
