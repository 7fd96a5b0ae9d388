"""Writes pictures that could not be written once there is room for them again."""

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dashboard.worker.run_task import RunTask

PAUSE_SECONDS = 30.0
SPARE_BYTES = 2**20
"""Room that a run needs beside its tensors."""


@dataclass(eq=False)
class SavingAgain:
    """Tries to save again what the disk refused; belongs to the worker's thread.

    Attributes:
        runs: Folder of the stored runs.
        unsaved: Returns the runs that are whole and not written.
        save: Has one written once more, by its id.
        pause: Seconds between two tries.
    """

    runs: Path
    unsaved: Callable[[], Sequence[RunTask]]
    save: Callable[[str], None]
    pause: float = PAUSE_SECONDS
    _last: float = float("-inf")

    def try_again(self) -> None:
        """Have the runs written that find room, unless that was tried shortly before."""
        if time.monotonic() - self._last < self.pause:
            return
        self._last = time.monotonic()
        free = self._free()
        for task in self.unsaved():
            free -= _bytes_of(task)
            if free > 0:
                self.save(task.id)

    def _free(self) -> float:
        with suppress(OSError):
            return shutil.disk_usage(self.runs).free
        return float("inf")  # what it lacks is no room, so trying tells


def _bytes_of(task: RunTask) -> int:
    tensors = task.run.tensors.values() if task.run is not None else ()
    return SPARE_BYTES + sum(tensor.nbytes for tensor in tensors)
