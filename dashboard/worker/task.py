"""A task: what the worker does in pieces, between those of other people's tasks.

A run, a question to the model, a study (a long computation that is no run) and the drawing of a
run's frames are tasks. Each has a generator that yields (done, total) after every piece, a
priority that says when its turn comes, and a snapshot that pages read meanwhile.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from dashboard.worker.sessions import person_of
from dashboard.worker.snapshots import Snapshot
from dashboard.worker.watchers import Watchers
from sdlab.errors import MemoryLimitError, ModelError, SdlabError

if TYPE_CHECKING:
    from sdlab.models.model import Model
    from sdlab.work import Work

log = logging.getLogger(__name__)

NO_MODEL = ""
ENDED = "The worker has ended: restart the server."
NO_MEMORY = "There was not enough memory to answer; the runs go on. Try again."


class BusyError(SdlabError):
    """The model had no time for a question, or the server is stopping."""


class Priority(IntEnum):
    """When a task's turn comes.

    In a turn of the worker one piece of one question, of one study and of one sketch is done, and
    one piece of every run in flight, as they share network calls. The rest waits for a turn in
    which there was nothing of these.
    """

    QUESTION = 0
    STUDY = 1
    SKETCH = 2
    RUN = 3
    CATALOGUE = 4
    PAINTING = 5


def nothing(*_: Any) -> Any:
    """Stand for the generator and the callback of a task that has ended."""


def _silent(error: BaseException) -> str:
    """Return no words: whoever asked gets the error itself."""
    return ""


@dataclass(eq=False)
class Task:
    """Something to do; changed by the worker's thread only, read through ``snapshot``.

    Attributes:
        snapshot: What pages see of it.
        priority: When its turn comes; the generator may change it.
        make: Returns the generator; called in the worker's thread with the model.
        words: Returns in a sentence why it failed.
        watchers: Who waits for it.
        owner: Whose it is; "" is nobody in particular.
        session: The browser session that asked for it.
        model_hash: Of the model that is meant; None for any, ``NO_MODEL`` if it needs none.
        verb: What to do if another model has been loaded in the meantime.
        grace: Seconds that it goes on while nobody watches; None for as long as it takes.
        ended: Called as it ends with the state, the error and the result, before pages see it.
        cancelled: Whether it is to end at its next turn.
        started: When its first piece began, ``time.monotonic`` seconds.
        cost: Seconds that its latest piece took.
        used: When somebody last looked.
    """

    snapshot: Snapshot
    priority: Priority
    make: "Callable[[Model], Work[Any]]" = nothing
    words: Callable[[BaseException], str] = _silent
    watchers: Watchers = field(default_factory=Watchers)
    owner: str = ""
    session: str = ""
    model_hash: str | None = None
    verb: str = "start"
    grace: float | None = None
    ended: Callable[[str, BaseException | None, Any], None] = nothing
    cancelled: bool = False
    started: float = 0.0
    cost: float = 0.0
    _work: "Work[Any] | None" = None
    used: float = field(default_factory=time.monotonic)
    _seen: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        """What it goes by; who asks for the same gets the same."""
        return self.snapshot.id

    @property
    def person(self) -> str:
        """Whose turn it is: its owner's; without a login each browser is a person."""
        return person_of(self.owner, self.session)

    @property
    def live(self) -> bool:
        """Whether it still waits or runs."""
        return self.snapshot.live

    @property
    def holds_model(self) -> bool:
        """Whether its generator has begun, which may hold a model."""
        return self._work is not None

    def set(self, **changes: Any) -> None:
        """Replace the snapshot by one with the named fields changed."""
        self.snapshot = replace(self.snapshot, **changes)

    def unwanted(self) -> bool:
        """Return whether it was cancelled, or nobody has waited for it for too long."""
        now = time.monotonic()
        if self.grace is None or self.watchers.count():
            self._seen = now
            return self.cancelled
        return self.cancelled or now - self._seen >= self.grace

    def misses(self, model: "Model | None", model_hash: str, reason: str) -> ModelError | None:
        """Return why it cannot go on with the model in memory, or None.

        Args:
            model: The model in memory, if there is one.
            model_hash: Its hash.
            reason: Why there is no model.
        """
        if self.model_hash == NO_MODEL:
            return None
        if model is None:
            return ModelError(reason or "No model is in memory.")
        if self.model_hash not in (None, model_hash):
            return ModelError(changed(self.verb))
        return None

    def advance(self, model: "Model | None") -> None:
        """Do the next piece; a result or an error ends the task and nothing else."""
        import torch

        begun = time.monotonic()
        try:
            with torch.no_grad():
                if self._work is None:
                    self.started = time.monotonic()
                    self.set(state="running")
                    make, self.make = self.make, nothing  # what it holds is the generator's
                    self._work = make(model)  # type: ignore[arg-type]
                done, total = next(self._work)
        except StopIteration as stop:
            self.end("done", result=stop.value)
        except BaseException as error:  # whatever it is, it is the task's
            self.end("failed", explained(error))
        else:
            left = (time.monotonic() - self.started) / max(1, done) * (total - done)
            self.set(done=done, total=total, seconds_left=left if done else None)
        finally:
            self.cost = time.monotonic() - begun

    def end(self, state: str, error: BaseException | None = None, result: Any = None) -> None:
        """Close the generator and note how the task ended; let go of what it held."""
        ended, self.ended = self.ended, nothing
        self.let_go()
        self.set(error=self.words(error) if error is not None else "")
        ended(state, error, result)
        self.set(state=state, result=result, seconds_left=None)

    def let_go(self) -> None:
        """Close the generator, and let go of what makes it."""
        work, self._work = self._work, None
        self.make = nothing
        try:
            if work is not None:
                work.close()
        except BaseException:
            log.exception("a defect in the end of %s", self.id)

    def stop(self) -> None:
        """End it because the worker has ended."""
        self.end("failed", BusyError(ENDED))


def once(function: Callable[[Any], Any]) -> "Callable[[Model], Work[Any]]":
    """Return what makes a generator that is through with its first piece."""

    def make(model: "Model") -> "Work[Any]":
        return function(model)
        yield

    return make


def changed(verb: str) -> str:
    """Return what to tell somebody whose task was meant for a model that is gone."""
    return f"Another model has been loaded in the meantime: {verb} again."


def explained(error: BaseException) -> BaseException:
    """Return the error, or for one of memory what to tell the person who asked."""
    from sdlab.models import memory

    if not memory.is_out_of_memory(error):
        return error
    memory.release(error)
    return MemoryLimitError(NO_MEMORY)
