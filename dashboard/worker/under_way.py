"""What the worker's thread is doing right now, for whoever asks whether it still lives."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from dashboard.worker.task import nothing


class Piece(NamedTuple):
    """A piece of work.

    Attributes:
        what: In words, such as "a network call".
        point: Which piece of its run it is; "" where that says nothing.
        runs: Whose work it is.
        since: When it began, ``time.monotonic`` seconds.
    """

    what: str
    point: str = ""
    runs: tuple[str, ...] = ()
    since: float = 0.0


class UnderWay:
    """The piece of work that has begun and has not ended.

    Args:
        note: Called with the runs and the point of what is done from now on; it must not raise.

    Attributes:
        now: The piece; None between two.
        beat: When the thread last was between two pieces, ``time.monotonic`` seconds.
        broken: The piece from which an error came last, if one did since ``forget``.
    """

    def __init__(self, note: Callable[[Sequence[str], str], object] = nothing) -> None:
        self._note = note
        self.now: Piece | None = None
        self.beat = time.monotonic()
        self.broken: Piece | None = None

    def forget(self) -> None:
        """Forget the piece that broke; the thread is between two pieces."""
        self.now = self.broken = None
        self.beat = time.monotonic()

    def begin(self, what: str, runs: Sequence[str] = (), point: str = "") -> None:
        """Note that a piece of work begins, in place of the one before.

        Args:
            what: In words.
            runs: Whose work it is.
            point: Which piece of its run it is; the same in each attempt.
        """
        self.now = Piece(what, point, tuple(runs), time.monotonic())
        if runs:
            self._note(runs, point)

    @contextmanager
    def doing(self, what: str, runs: Sequence[str] = (), point: str = "") -> Iterator[None]:
        """Note a piece of work while it goes on; see ``begin``."""
        around = self.now
        self.begin(what, runs, point)
        try:
            yield
        except BaseException:
            self.broken = self.broken or self.now
            raise
        finally:
            if self.now is not None and self.now.runs:
                self._note((), "")
            self.now = around
            self.beat = time.monotonic()
