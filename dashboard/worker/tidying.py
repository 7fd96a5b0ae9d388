"""Tidies the store once an hour, by the rules that the operator has set."""

import logging
import threading
from pathlib import Path

from sdlab.errors import StoreError
from sdlab.runs.index import index_of
from sdlab.runs.retention import Retention, tidy

log = logging.getLogger(__name__)

FIRST_SECONDS, EVERY_SECONDS = 60.0, 3600.0
A_READING_SECONDS = 0.5


class Tidying:
    """A thread that tidies a store; without rules there is none.

    Args:
        runs: Folder of the stored runs.
        rules: What is kept.
        first_seconds: After which it tidies first, so that a start is not slowed.

    Attributes:
        problem: Why the last tidying failed; "" if it did not.
    """

    def __init__(self, runs: Path, rules: Retention, first_seconds: float = FIRST_SECONDS) -> None:
        self.problem = ""
        self._runs, self._rules, self._pause = runs, rules, first_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name="sdlab-tidying", daemon=True)
        if rules.set:
            self._thread.start()

    def stop(self, timeout: float = 20.0) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _live(self) -> None:
        while not self._ended.wait(self._pause):
            self._pause = EVERY_SECONDS
            try:
                self._read()
                done = tidy(self._runs, self._rules)
                self.problem = ""
                if done.runs or done.trash:
                    log.info(
                        "%d runs moved to the trash, %d things of it deleted for ever",
                        len(done.runs), len(done.trash),
                    )  # fmt: skip
            except StoreError as error:
                self.problem = str(error)
                log.warning("the store is not tidied: %s", error)

    def _read(self) -> None:
        """Read what is new in the store, with pauses in which the pages may."""
        while index_of(self._runs).refresh(A_READING_SECONDS):
            if self._ended.wait(A_READING_SECONDS):
                return
