"""Whose turn it is: by what each has cost so far, not by how much each has asked for.

Start-time fair queueing (Goyal, Vin and Cheng 1996, SIGCOMM, section 2): a piece of work begins at
the virtual time at which the work before it of the same person ended, or now if that is past; the
piece that begins first is served, and ends as much later as it took. What it takes need not be
known before. Whoever comes back after a pause begins ``ahead`` seconds before now (the warp of
borrowed virtual time, Duda and Cheriton 1999), so a short run beside a long one waits for the piece
under way and for nothing else.

While two of them have work all the time, what they get differs by no more than ``ahead`` and one
piece of each, whatever the others do and however long the pieces are.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from dashboard.worker.task import Task

Item = TypeVar("Item")
AHEAD_SECONDS = 5.0
REMEMBERED = 1000


class Turns:
    """The turns of some that share a machine: people, or the runs of one of them.

    Args:
        ahead: How far before the others begins who has paused, in seconds of work.
    """

    def __init__(self, ahead: float = AHEAD_SECONDS) -> None:
        self.ahead = ahead
        self._now = 0.0
        self._ends: dict[Hashable, float] = {}

    def begin(self, who: Hashable) -> float:
        """Return the virtual time at which the next piece of somebody would begin."""
        return max(self._ends.get(who, -math.inf), self._now - self.ahead)

    def first(self, items: Iterable[Item], who: Callable[[Item], Hashable]) -> Item:
        """Return the item whose turn it is; of equal ones the first.

        Args:
            items: At least one.
            who: Returns whose an item is.
        """
        return min(items, key=lambda item: self.begin(who(item)))

    def spend(self, who: Hashable, seconds: float) -> None:
        """Note that a piece of somebody was served, and what it took."""
        begun = self.begin(who)
        self._now = max(self._now, begun)
        self._ends[who] = begun + seconds
        if len(self._ends) > REMEMBERED:
            past = self._now - self.ahead
            self._ends = {one: end for one, end in self._ends.items() if end > past}


class Shares:
    """Turns of people, whatever the number of their tasks; then of each one's own tasks."""

    def __init__(self) -> None:
        self.people = Turns()
        self._own: OrderedDict[str, Turns] = OrderedDict()

    def place(self, task: Task) -> tuple[float, float]:
        """Return a task's place among all: the least comes first."""
        return self.people.begin(task.person), self._own_of(task).begin(task.id)

    def spend(self, task: Task, seconds: float) -> None:
        """Note what a piece of a task has taken."""
        self.people.spend(task.person, seconds)
        self._own_of(task).spend(task.id, seconds)

    def _own_of(self, task: Task) -> Turns:
        own = self._own.setdefault(task.person, Turns(ahead=0.0))
        self._own.move_to_end(task.person)
        if len(self._own) > REMEMBERED:
            self._own.popitem(last=False)
        return own
