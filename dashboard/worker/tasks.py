"""The tasks of a worker: any thread adds, watches and cancels them, the worker's does them."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from dashboard.worker.snapshots import Snapshot
from dashboard.worker.task import Priority, Task
from dashboard.worker.watchers import Watchers

if TYPE_CHECKING:
    from sdlab.models.model import Model
    from sdlab.work import Work

    AtHand = Callable[[str | None], tuple[Model | None, str, str]]

GRACE_SECONDS = 20.0  # a reload comes back in seconds
KEPT = {Priority.RUN: 300, Priority.STUDY: 24, Priority.CATALOGUE: 200}
"""Of tasks that have ended, how many are remembered."""


class Tasks:
    """The tasks that the server knows of, and one line for each priority.

    Args:
        sentence: Returns what to tell a person about an exception.
        connected: Tells whether a session's browser is connected.

    Attributes:
        lock: Held for a moment by whoever changes anything; notified when there is work.
        closed: Whether the worker has ended.
    """

    def __init__(
        self,
        sentence: Callable[[BaseException], str],
        connected: Callable[[str], bool] = lambda session: True,
    ) -> None:
        self.sentence = sentence
        self.connected = connected
        self.lock = threading.Condition()
        self.closed = False
        self._known: OrderedDict[str, Task] = OrderedDict()
        self._lines: dict[Priority, deque[Task]] = {priority: deque() for priority in Priority}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    # From any thread.

    def know(self, task: Task) -> None:
        """Know a task by its id, as the latest, in place of an older one."""
        with self.lock:
            self._known[task.id] = task
            self._known.move_to_end(task.id)
            self._forget_old(task.priority)

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
        """
        watchers = Watchers(self.connected, float("inf"))
        task = Task(Snapshot(key), Priority.STUDY, make, self.sentence, watchers)
        task.owner, task.session = owner, session
        task.model_hash, task.grace = model_hash, None if stored else GRACE_SECONDS
        if stored:
            task.ended = partial(self._forget_done, key)
        self.begin(task, session)

    def begin(self, task: Task, session: str = "") -> None:
        """Know a task and let it wait; one of its id that waits, runs or is done is joined."""
        with self.lock:
            known = self._known.get(task.id)
            joins = known is not None and not known.cancelled
            if known is not None and joins and (known.live or known.snapshot.state == "done"):
                known.watchers.touch(session)
                return
            task.watchers.touch(session)
            self.know(task)
        self.enter(task)

    def enter(self, task: Task, line: Priority | None = None) -> None:
        """Let a task wait, by default in the line of its priority; a worker that ended ends it."""
        with self.lock:
            if not self.closed:
                self._lines[task.priority if line is None else line].append(task)
                self.lock.notify()
                return
        task.stop()

    def find(self, id: str) -> Task | None:
        """Return a task by its id, or None."""
        with self.lock:
            return self._known.get(id)

    def get(self, id: str) -> Snapshot | None:
        """Return a task's snapshot, or None if it is not known (any more)."""
        with self.lock:
            task = self._known.get(id)
            if task is None:
                return None
            task.used = time.monotonic()
            return replace(task.snapshot, shared=task.watchers.count() if task.live else 0)

    def all(self, priority: Priority) -> list[Task]:
        """Return the known tasks of a priority, the latest last."""
        with self.lock:
            return [task for task in self._known.values() if task.priority is priority]

    def line(self, priority: Priority) -> list[Task]:
        """Return the tasks that wait in a line."""
        with self.lock:
            return list(self._lines[priority])

    def touch(self, id: str, session: str) -> None:
        """Note that a session waits for a task."""
        with self.lock:
            if id in self._known:
                self._known[id].watchers.touch(session)

    def cancel(self, id: str, session: str, mine: bool | None = None) -> str:
        """Leave a task, and end it if nobody else waits: "left", "cancelled" or "ended".

        Args:
            id: The task's.
            session: Which leaves.
            mine: Whether it may be ended, and is, whoever waits; None where nobody owns tasks.
        """
        with self.lock:
            task = self._known.get(id)
            if task is None or not task.live:
                return "ended"
            task.watchers.leave(session)
            if mine is False or (mine is None and task.watchers.count()):
                return "left"
            task.cancelled = True
            self.lock.notify()
            return "cancelled"

    def forget(self, id: str) -> None:
        """Know a task no longer."""
        with self.lock:
            self._known.pop(id, None)

    def withdraw(self, task: Task) -> bool:
        """Take a task out of its line; return whether it waited in one."""
        with self.lock:
            for line in self._lines.values():
                if task in line:
                    line.remove(task)
                    return True
        return False

    # From the worker's thread.

    def step(
        self, priority: Priority, at_hand: "AtHand", chosen: Task | None = None
    ) -> Task | None:
        """Do one piece of the task whose turn it is; return it, or None if there was none.

        Args:
            priority: Of the line to serve: the first in it, of paintings the latest.
            at_hand: Returns the model for the hash that a task asks for, that model's own hash,
                and why there is none.
            chosen: A task of the line whose turn it is instead.
        """
        with self.lock:
            line = self._lines[priority]
            if not line:
                return None
            if chosen is not None and chosen in line:
                line.remove(chosen)
                task = chosen
            else:
                task = line.pop() if priority is Priority.PAINTING else line.popleft()
        if not task.live:
            return task
        model, model_hash, reason = at_hand(task.model_hash)
        if task.unwanted():
            task.end("cancelled")
        elif (missing := task.misses(model, model_hash, reason)) is not None:
            task.end("failed", missing)
        else:
            task.advance(model)
        if task.live:
            self.enter(task)
        return task

    def studies(self, model_hash: str) -> bool:
        """Return whether a study of a model waits or goes on."""
        return any(task.model_hash == model_hash for task in self.line(Priority.STUDY))

    def let_go(self) -> None:
        """End whatever else may hold a model in memory that goes; it can be asked for again."""
        with self.lock:
            begun = [task for line in self._lines.values() for task in line if task.holds_model]
        for task in begun:
            if task.priority not in (Priority.STUDY, Priority.RUN):
                self.withdraw(task)
                task.end("cancelled")

    def close(self) -> None:
        """End all that lives and refuse what comes; the worker has ended."""
        with self.lock:
            self.closed = True
            left = {*self._known.values()}.union(*self._lines.values())
            for line in self._lines.values():
                line.clear()
            for task in left:
                if task.live:
                    task.stop()

    def _forget_done(self, id: str, state: str, error: object, result: object) -> None:
        if state == "done":
            self.forget(id)

    def _forget_old(self, priority: Priority) -> None:
        """Forget the oldest that have ended; what is stored is lost least of all."""
        ended = [t for t in self.all(priority) if not t.live and not t.snapshot.unsaved]
        ended.sort(key=lambda t: (priority is Priority.RUN and t.snapshot.state != "done", t.used))
        for task in ended[: max(0, len(ended) - KEPT.get(priority, 0))]:
            del self._known[task.id]
