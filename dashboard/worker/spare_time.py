"""Computes what needs no model, when nothing else is done."""

from collections.abc import Callable
from typing import Any

from dashboard.worker.snapshots import Snapshot
from dashboard.worker.task import NO_MODEL, Priority, Task, once
from dashboard.worker.tasks import Tasks


def in_spare_time(tasks: Tasks, key: str, function: Callable[[], Any]) -> Snapshot:
    """Return how far a computation is that needs no model; it is done when nothing else is.

    It has the worker's thread to itself: what builds networks, even without weights, changes
    PyTorch for all threads while it does so.

    Args:
        tasks: Of the worker.
        key: Identifies what decides the result; one that is known is not done again.
        function: What to compute; called in the worker's thread.
    """
    known = tasks.get(key)
    if known is None:
        known = Snapshot(key)
        make = once(lambda model: function())
        tasks.begin(Task(known, Priority.CATALOGUE, make, tasks.sentence, model_hash=NO_MODEL))
    return known
