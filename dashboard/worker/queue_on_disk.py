"""The runs that were asked for and are not stored yet, in memory and on disk.

What waits or runs is there again after the server's end, however it ended, in the order in which
it was asked for. If the disk refuses, the queue goes on in memory, says so, and is written as soon
as the disk takes it.
"""

import hashlib
import logging
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dashboard.worker.kept_run import KeptRun
from dashboard.worker.queue_file import QueueFile
from sdlab.errors import StoreError
from sdlab.experiment.experiment import Experiment

log = logging.getLogger(__name__)

ENDED_KEPT = 300
MOST_DEATHS = 5
"""So many deaths set a run aside, also where each came at another point of it."""
IN_MEMORY = (
    "The queue cannot be written to the disk ({}). Runs are made all the same, but what waits would"
    " be lost if the server ended now. Free some space, or make the folder of the runs writable."
)
SET_ASIDE = (
    "Set aside: {} {} times while this run was being made{}. It may need more memory than there is,"
    " or its sampler ends the program. Run again tries it once more."
)


class QueueOnDisk:
    """The runs of one server; any thread may call.

    What changes is noted in memory at once, so that it may be called while other locks are held.
    It is on disk when ``write``, which waits for the disk, has returned.

    Args:
        path: Of the file.
        server: The server's name.

    Attributes:
        trouble: Why the queue is in memory only, in a sentence; "" if it is on disk.
    """

    def __init__(self, path: Path, server: str) -> None:
        self._path, self._server = path, server
        self._lock, self._disk = threading.Lock(), threading.Lock()
        self._runs: dict[str, KeptRun] = {}
        self._unwritten: dict[str, KeptRun | None] = {}
        self._passed_over: list[str] = []
        self._next = 1
        self._file: QueueFile | None = None
        self.trouble = ""
        self.write()

    def all(self) -> list[KeptRun]:
        """Return the runs, the one that was asked for first before the others."""
        with self._lock:
            return sorted(self._runs.values(), key=lambda kept: kept.number)

    def pictures(self) -> set[str]:
        """Return the hashes of the pictures that the runs need."""
        with self._lock:
            runs = list(self._runs.values())
        return {picture.hash for kept in runs for picture in kept.experiment.pictures.values()}

    def unreadable(self) -> list[str]:
        """Return what is wrong with what was passed over, a sentence each."""
        return [*self._passed_over, *(self._file.unreadable if self._file else ())]

    def ask(self, experiment: Experiment, **asked: Any) -> KeptRun:
        """Keep a run that is asked for, as the last, and return it; its deaths so far still count.

        Args:
            experiment: What to run.
            asked: Further fields of ``KeptRun``.
        """
        asked["session"] = _digest(asked.get("session", ""))
        with self._lock:
            before = self._runs.get(experiment.id)
            if before is not None:
                asked = {"deaths": before.deaths, "point": before.point, **asked}
            kept = KeptRun(experiment, self._next, **asked)
            self._keep(kept)
        return kept

    def make_exact(self, run: str) -> None:
        """Note that a run is to share no network call, whoever asked for it before."""
        with self._lock:
            if run in self._runs:
                self._keep(self._runs[run].with_(mix=False))

    def fail(self, run: str, error: str) -> None:
        """Note that a run has failed: it stays listed until it is run again or dismissed."""
        with self._lock:
            if run in self._runs:
                self._keep(self._runs[run].with_(state="failed", error=error))
                self._forget_old()

    def drop(self, run: str) -> None:
        """Forget a run: it is stored, cancelled or dismissed."""
        with self._lock:
            self._forget(run)

    def add_interrupted(self, experiments: Iterable[Experiment]) -> None:
        """Keep runs that servers of an older version left, as interrupted."""
        with self._lock:
            for experiment in experiments:
                if experiment.id not in self._runs:
                    self._keep(KeptRun(experiment, self._next, state="interrupted"))

    def blame(self, runs: Sequence[str], point: str, what: str) -> list[KeptRun]:
        """Count a death for the runs whose work it was; return those that are set aside for it.

        A run that shared a network call with others is only suspected: it is set aside once it
        was alone at the same point again. Wherever the points were, ``MOST_DEATHS`` are enough.

        Args:
            runs: Whose work was under way.
            point: Which piece of it.
            what: What ended, such as "the server ended".
        """
        with self._lock:
            waiting = [kept for run in runs if (kept := self._runs.get(run)) and kept.waits]
            blamed = [_blamed(kept, point, what, len(runs) == 1) for kept in waiting]
            for kept in blamed:
                self._keep(kept)
        return [kept for kept in blamed if not kept.waits]

    def write(self) -> bool:
        """Bring to the disk what is not on it yet; return whether that is all.

        What the disk refuses is tried again the next time.
        """
        with self._disk:
            try:
                if self._file is None or self._file.is_gone():
                    self._open()
                assert self._file is not None
                with self._lock:
                    changes, self._unwritten = self._unwritten, {}
                if changes:
                    self._write(self._file, changes)
            except StoreError as error:
                self._refused(error)
                return False
            self.trouble = ""
            return True

    def others(self) -> list[str]:
        """Return the names of the other servers that have runs in the file."""
        with self._disk:
            try:
                return self._file.others() if self._file else []
            except StoreError as error:
                self._refused(error)
                return []

    def take_over(self, server: str) -> None:
        """Go on with the runs of a server that is dead."""
        with self._disk:
            if self._file is None:
                return
            try:
                self._file.take_over(server)
                found = self._file.read()
            except StoreError as error:
                self._refused(error)
                return
        with self._lock:
            new = {kept.id: kept for kept in found if kept.id not in self._unwritten}
            self._runs = new | self._runs
            self._next = max([self._next, *(kept.number + 1 for kept in found)])

    def close(self) -> None:
        """Write what has not been written yet, if that is possible, and close the file."""
        self.write()
        with self._disk:
            if self._file is not None:
                self._file.close()
                self._file = None

    # What follows is called with one of the two locks held.

    def _keep(self, kept: KeptRun) -> None:
        self._runs[kept.id] = self._unwritten[kept.id] = kept
        self._next = max(self._next, kept.number + 1)

    def _forget(self, run: str) -> None:
        if self._runs.pop(run, None) is not None:
            self._unwritten[run] = None

    def _forget_old(self) -> None:
        ended = [kept for kept in self._runs.values() if not kept.waits]
        for kept in sorted(ended, key=lambda kept: kept.number)[:-ENDED_KEPT]:
            self._forget(kept.id)

    def _write(self, file: QueueFile, changes: dict[str, KeptRun | None]) -> None:
        try:
            file.write(changes)
        except BaseException:
            with self._lock:
                self._unwritten = {**changes, **self._unwritten}
            raise

    def _open(self) -> None:
        """Open the file; one that takes the place of a lost one gets all runs."""
        if self._file is not None:
            self._passed_over += self._file.unreadable
            self._file.close()
            self._file = None
        self._file = QueueFile(self._path, self._server)
        with self._lock:
            self._unwritten = {**self._unwritten, **self._runs}

    def _refused(self, error: StoreError) -> None:
        said = IN_MEMORY.format(error)
        if said != self.trouble:
            log.warning("%s: %s", self._path, said)
        self.trouble = said


def _blamed(kept: KeptRun, point: str, what: str, alone: bool) -> KeptRun:
    """Return a run with one more death, set aside if that is one too many."""
    again = alone and kept.deaths > 0 and kept.point == point != ""
    kept = kept.with_(deaths=kept.deaths + 1, point=point)
    if not again and kept.deaths < MOST_DEATHS:
        return kept
    where = f" ({point})" if point else ""
    return kept.with_(state="failed", error=SET_ASIDE.format(what, kept.deaths, where))


def _digest(session: str) -> str:
    """Return what tells a browser's session apart without naming it."""
    return hashlib.blake2b(session.encode(), digest_size=8).hexdigest() if session else ""
