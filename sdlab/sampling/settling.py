"""Drives an engine until its jobs are over, and hands on each as soon as it is."""

from collections.abc import Callable, Iterable, Iterator

from sdlab.sampling.engine import Engine
from sdlab.sampling.job import Job


def settling(engine: Engine, jobs: Iterable[Job], settle: Callable[[Job], None]) -> Iterator[None]:
    """Do one round after another until all jobs are over; closing it stops those that are not.

    Args:
        engine: That runs them.
        jobs: What was submitted to it.
        settle: Called once with each job that is done, failed or cancelled.
    """
    waiting = list(jobs)
    try:
        while waiting:
            engine.round()
            over = [job for job in waiting if job.over]
            waiting = [job for job in waiting if not job.over]
            for job in over:
                settle(job)
            yield
    finally:
        engine.close()
        for job in engine.jobs:
            job.stop()
