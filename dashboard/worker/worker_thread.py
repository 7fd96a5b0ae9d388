"""The worker's thread: one turn after another, for as long as the server lives.

Whatever ends it, be it SystemExit from a plug-in or an exception that somebody throws into it, it
is started anew, what it was doing is mended, and that is counted.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dashboard.worker.health import Health, thread_health
from dashboard.worker.measures import Measures
from dashboard.worker.under_way import UnderWay

log = logging.getLogger(__name__)

MOST_BREAKS = 3
"""After so many turns in a row that broke the worker is not well."""
PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
SWITCH_SECONDS = 2e-5
"""How long a thread keeps the interpreter from another that waits for it; Python's own is 0.005.

Each operation of a network lets go of the interpreter and waits for it again. While pages are drawn
it would wait for 0.005 s each time, thousands of times in a run (D. Beazley 2010, Understanding the
Python GIL: the convoy effect); ``benchmarks/shared.py`` measures both.
"""
ENDED = Health("ended", "The worker has ended: restart the server.")


@dataclass(eq=False)
class WorkerThread:
    """Does turns.

    Attributes:
        first: Called once before the first turn, and again after the thread was started anew.
        turn: Does a piece of work; returns whether there was one.
        rest: Waits until there may be work, though not for long.
        mend: Called with an error that came out of a turn, or ended the thread.
        close: Called once the thread has been told to stop.
        work: What it is doing.
        measures: Counts how often it was started anew.
        patience: Seconds to wait for ``wake`` before the first turn.
        stopping: Whether it has been told to stop.
    """

    first: Callable[[], object]
    turn: Callable[[], bool]
    rest: Callable[[], object]
    mend: Callable[[BaseException], object]
    close: Callable[[], object]
    work: UnderWay
    measures: Measures
    patience: float
    stopping: bool = False
    thread: threading.Thread | None = None
    _began: bool = False
    _breaks: int = 0
    _end: BaseException | None = None
    _awake: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start the thread, which waits for ``wake``, though not for long."""
        self.thread = threading.Thread(target=self._live, name="sdlab-worker", daemon=True)
        self.thread.start()

    def wake(self) -> None:
        """Begin, if it has not."""
        self._awake.set()
        self.revive()

    def revive(self) -> None:
        """Start the thread anew if it has ended unasked, which it does itself as a rule."""
        with self._lock:
            if not (self.stopping or self.thread is None or self.thread.is_alive()):
                self._anew()

    def stop(self, timeout: float) -> None:
        """End the thread after its turn; wait so many seconds for that."""
        self.stopping = True
        self._awake.set()
        if self.thread is not None:
            self.thread.join(timeout)

    def health(self) -> Health:
        """Return how the thread is; waits for nothing."""
        if self.stopping:
            return ENDED
        self.revive()
        restarts = self.measures.restarts
        if not self._began:
            return Health("starting", "The model is not being loaded yet.", restarts=restarts)
        if self._breaks >= MOST_BREAKS:
            said = "Each turn of the worker breaks: the server's log says why."
            return Health("broken", said, restarts=restarts)
        return thread_health(self.work, time.monotonic(), restarts)

    def _live(self) -> None:
        try:
            self._turns()
        except BaseException as error:  # also what another thread threw into this one
            log.critical("the worker's thread ended", exc_info=error)
            self._end = error
        finally:
            if self.stopping:
                self.close()
            else:
                with self._lock:
                    self._anew()

    def _turns(self) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        self._awake.wait(self.patience)
        self._began = True
        if self._end is not None:
            ended, self._end = self._end, None
            self._mended(ended)
        if not self.stopping:
            self._safely(self.first)
        while not self.stopping:
            if not self._safely(self.turn):
                self.rest()

    def _safely(self, piece: Callable[[], object]) -> bool:
        """Do a piece of work; return whether there was one, and it went well.

        Everything raised is caught, even SystemExit, which a plug-in sampler may raise: this is a
        thread of a server.
        """
        try:
            self.work.forget()
            done = bool(piece())
            self._breaks = 0
            return done
        except BaseException as error:
            log.exception("a defect in the worker")
            defect = error
        self._breaks += 1
        self._mended(defect)
        time.sleep(min(LONGEST_PAUSE_SECONDS, PAUSE_SECONDS * 2**self._breaks))
        return False

    def _mended(self, defect: BaseException) -> None:
        self.measures.restarted()
        try:
            self.mend(defect)
        except BaseException:
            log.exception("a defect in the worker's care for a defect")

    def _anew(self) -> None:
        self._end = self._end or RuntimeError("the worker's thread ended")
        self.start()
