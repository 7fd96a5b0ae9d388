"""Long computations that can be watched and cancelled: generators of (done, total) with a result.

Whoever drives one decides what happens in between: a notebook prints progress, the dashboard's
worker serves the runs in flight and other users. ``close()`` cancels.

A sampler is a generator too: it yields a query and is sent the answer. ``drive`` runs one to its
end; ``driving`` is the same as a computation that can be watched.
"""

from collections.abc import Callable, Generator
from typing import TypeVar

Result = TypeVar("Result")
Request = TypeVar("Request")
Reply = TypeVar("Reply")
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
        result: Result = stop.value
        return result
    finally:
        work.close()


def drive(
    generator: Generator[Request, Reply, Result], answer: Callable[[Request], Reply]
) -> Result:
    """Run a generator to its end with a function that answers its requests; return its value."""
    return finish(driving(generator, answer, 0))


def driving(
    generator: Generator[Request, Reply, Result], answer: Callable[[Request], Reply], total: int
) -> Work[Result]:
    """Return ``drive`` as a computation that yields after every answer.

    Args:
        generator: Yields a request and is sent the reply; closed in any case.
        answer: Gives the reply to a request.
        total: How many requests there will be, reported with the progress.
    """
    done = 0
    try:
        request = next(generator)
        while True:
            reply = answer(request)
            done += 1
            yield done, total
            request = generator.send(reply)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        generator.close()


def counted(work: Work[Result], before: int, total: int) -> Work[Result]:
    """Return a computation as part of a longer one: it counts from ``before``, of ``total``."""
    try:
        while True:
            done, _ = next(work)
            yield before + done, total
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        work.close()


def standing(work: Work[Result], count: int) -> Work[Result]:
    """Return a computation as the last part of a longer one, whose ``count`` pieces are done."""
    try:
        while True:
            next(work)
            yield count, count
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        work.close()


def one_of(work: Work[Result], before: int, count: int) -> Work[Result]:
    """Return one of ``count`` computations, each as long, as part of all: ``before`` are done."""
    try:
        while True:
            done, total = next(work)
            yield before * total + done, count * total
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        work.close()


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
