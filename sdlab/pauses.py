"""Which of the computations that take turns in a thread is under way, and how long it has paused.

A network's call may let others go first in its midst (``sdlab.sampling.pausable``). Hooks that it
has set on the network are not meant for those others' calls, and its timers not for their time.
"""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Thread(threading.local):
    under_way: object = None
    paused = 0.0
    others: Callable[[], bool] | None = None
    quick = math.inf


_thread = _Thread()


def under_way() -> object:
    """Return what identifies the computation under way in this thread; None for any other."""
    return _thread.under_way


def paused() -> float:
    """Return the seconds that the computation under way has paused since it began."""
    return _thread.paused


@contextmanager
def going_on(which: object, seconds: float) -> Iterator[None]:
    """Let a computation be the one under way.

    Args:
        which: Identifies it.
        seconds: How long it has paused so far.
    """
    before = _thread.under_way, _thread.paused
    _thread.under_way, _thread.paused = which, seconds
    try:
        yield
    finally:
        _thread.under_way, _thread.paused = before


def others_wait() -> bool:
    """Return whether others are to go first in this thread."""
    return _thread.others is not None and _thread.others()


def longest_whole() -> float:
    """Return how long a call may take in one piece, in seconds; infinity where nobody waits."""
    return _thread.quick


@contextmanager
def giving_way(others: Callable[[], bool], quick: float) -> Iterator[None]:
    """Let computations of this thread that can pause do so while others wait.

    Args:
        others: Returns whether others are to go first.
        quick: Calls that take no longer are made in one piece, in seconds.
    """
    before = _thread.others, _thread.quick
    _thread.others, _thread.quick = others, quick
    try:
        yield
    finally:
        _thread.others, _thread.quick = before
