"""Long computations that can be watched and left: generators of (done, total) that return a result.

Whoever drives one decides what happens in between: a notebook prints progress, the dashboard's
worker serves the runs in flight and other people. ``close()`` cancels.
"""

from collections.abc import Callable, Generator
from typing import TypeVar

Result = TypeVar("Result")
Work = Generator[tuple[int, int], None, Result]
Progress = Callable[[int, int], None]


def finish(work: Work[Result], on_progress: Progress | None = None) -> Result:
    """Run a computation to its end and return its result.

    Args:
        work: Yields (done, total) after each piece.
        on_progress: Called with both.
    """
    try:
        while True:
            done, total = next(work)
            if on_progress:
                on_progress(done, total)
    except StopIteration as stop:
        return stop.value
    finally:
        work.close()
