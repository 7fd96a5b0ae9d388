"""Whose turn it is: by what each has cost so far, not by how much each has asked for.

Start-time fair queueing (Goyal, Vin and Cheng 1996, SIGCOMM, section 2): a piece of work begins at
the virtual time at which the work before it of the same person ended, or now if that is past; the
piece that begins first is served, and ends as much later as it took. What it takes need not be
known before. Whoever comes back after a pause begins ``ahead`` seconds before now (the warp of
borrowed virtual time, Duda and Cheriton 1999), so a short run beside a long one waits for the piece
under way and for nothing else.

While two of them have work all the time, what they get differs by no more than ``ahead`` and one
piece of each, whatever the others do and however long the pieces are.

Somebody who makes one short run after another and looks at each has work now and then only, yet
would get no more than an even share while it lasts. So the first seconds of what a person asks for
cost a quarter (the idea of multi-level feedback, Corbato, Merwin-Daggett and Daley 1962, AFIPS):
who makes a short run has four times as much of the machine meanwhile as who makes a long one.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import TypeVar

from dashboard.worker.task import Task

Item = TypeVar("Item")
AHEAD_SECONDS = 5.0
SHORT_SECONDS = 1.5
SHORT_COSTS = 0.25
PAUSE_SECONDS = 0.5
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


def cost_of(seconds: float, had: float = 0.0) -> float:
    """Return what a person's work costs.

    Args:
        seconds: That it takes.
        had: What they have had since nothing of theirs was under way.
    """
    short = min(seconds, max(0.0, SHORT_SECONDS - had))
    return seconds - (1 - SHORT_COSTS) * short


class Shares:
    """Turns of people, whatever the number of their tasks; then of each one's own tasks.

    Args:
        now: The clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.people = Turns()
        self._own: OrderedDict[str, Turns] = OrderedDict()
        self._now = now
        self._busy: dict[str, float] = {}
        self._had: dict[str, float] = {}

    def note_busy(self, people: Collection[str]) -> None:
        """Note who has work: for whom it has been done for a while, the next is short at first."""
        now = self._now()
        self._busy |= dict.fromkeys(people, now)
        gone = [who for who, seen in self._busy.items() if now - seen > PAUSE_SECONDS]
        for who in gone:
            del self._busy[who]
            self._had.pop(who, None)

    def place(self, task: Task) -> tuple[float, float]:
        """Return a task's place among all: the least comes first."""
        return self.people.begin(task.person), self._own_of(task).begin(task.id)

    def spend(self, task: Task, seconds: float) -> None:
        """Note what a piece of a task has taken."""
        self.charge(task.person, seconds)
        self._own_of(task).spend(task.id, seconds)

    def charge(self, person: str, seconds: float) -> None:
        """Note what something for a person has taken that is no task, as loading a model."""
        had = self._had.get(person, 0.0)
        if person in self._busy:
            self._had[person] = had + seconds
        self.people.spend(person, cost_of(seconds, had))

    def _own_of(self, task: Task) -> Turns:
        own = self._own.setdefault(task.person, Turns(ahead=0.0))
        self._own.move_to_end(task.person)
        if len(self._own) > REMEMBERED:
            self._own.popitem(last=False)
        return own


class Meter:
    """What a task has taken since that was last noted.

    Args:
        shares: Where it is noted.
        task: Whose piece begins.
    """

    def __init__(self, shares: Shares, task: Task) -> None:
        self._shares, self._task, self._since = shares, task, time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the latest note."""
        return time.monotonic() - self._since

    def note(self) -> None:
        """Note it."""
        now = time.monotonic()
        self._shares.spend(self._task, now - self._since)
        self._since = now
