"""Counts pieces of work of known size as parts of one long one."""

from typing import TypeVar

from sdlab.work import Work

Result = TypeVar("Result")


class Count:
    """How far a long computation is.

    Args:
        total: Its size, in steps.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._before = 0

    def of(self, work: Work[Result], size: int) -> Work[Result]:
        """Return a piece of so many steps as a part of the whole.

        Args:
            work: Yields how far it is in any unit.
            size: Its share of the total, in steps.
        """
        self._before = self._done
        try:
            while True:
                now, of = next(work)
                yield self._before + size * min(now, of) // max(of, 1), self._total
        except StopIteration as stop:
            self._done = self._before + size
            result: Result = stop.value
            return result
        finally:
            work.close()

    def skip(self, size: int) -> None:
        """Count the piece that failed last as done."""
        self._done = self._before + size
