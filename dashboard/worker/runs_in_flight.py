"""The runs in flight: driven one network call at a time, previewed if watched, saved when done."""

import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.shell.messages import sentence
from dashboard.worker.job import WorkerJob
from sdlab.errors import SdlabError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from dashboard.worker.held_model import Library

log = logging.getLogger(__name__)

PREVIEW_SHARE = 10  # a preview waits this many times as long as making all of them takes
CROWDED_SECONDS = 3.0  # where decoded previews would take longer, quick sketches are drawn
PACED = 64  # rounds from which the pace is estimated
LEAST_SHARE = 0.1  # the quickest of those, which other load has slowed least


class Flight:
    """The runs in the engine; belongs to the worker's thread.

    Args:
        library: Has the engine and the decoder.
        runs: Folder of the stored runs.
        watched: Tells whether anybody watches a run.
        ended: Called with a job, how it ended, and why it failed.
    """

    def __init__(
        self,
        library: "Library",
        runs: Path,
        watched: Callable[[str], object],
        ended: Callable[[WorkerJob, str, str], None],
    ) -> None:
        self._library = library
        self._runs = runs
        self._watched = watched
        self._ended = ended
        self._jobs: list[WorkerJob] = []
        self._paces: deque[float] = deque(maxlen=PACED)
        self._sketch_seconds = 0.0

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job: WorkerJob) -> bool:
        return job in self._jobs

    @property
    def pace(self) -> float | None:
        """Seconds that an evaluation of one run takes; None before the first.

        A low quantile of the latest rounds: other load makes some of them slower, and none
        quicker. Summed over many rounds it is the least time that they will take.
        """
        paces = sorted(self._paces)
        return paces[int(LEAST_SHARE * len(paces))] if paces else None

    def forget_pace(self) -> None:
        """Forget the pace: another model will have another."""
        self._paces.clear()

    def begin(self, job: WorkerJob) -> None:
        """Hand a job to the engine; what the engine refuses has failed."""
        assert self._library.engine is not None
        try:
            job.engine_job = self._library.engine.submit(job.view.experiment)
        except BaseException as error:
            self._ended(job, "failed", _told(error))
            return
        job.set(state="running", position=0, nfe=job.engine_job.nfe)
        self._jobs.append(job)

    def cancel(self) -> None:
        """Cancel in the engine what was cancelled here."""
        for job in self._jobs:
            if job.cancelled:
                job.engine_job.cancel()

    def round(self) -> bool:
        """Do one network call or decoding; return whether anything was in flight."""
        if not self._jobs:
            return False
        assert self._library.engine is not None
        before, started = self._evaluations(), time.monotonic()
        try:
            self._library.engine.round()
        except BaseException as error:
            self.fail_all(_told(error))
            return True
        self._measure(self._evaluations() - before, time.monotonic() - started)
        draw, pause = self._means()
        for job in list(self._jobs):
            self._follow(job, draw, pause)
        return True

    def save(self, job: WorkerJob) -> bool:
        """Write a finished run; return whether it is written. If not, its picture is kept."""
        assert job.run is not None
        try:
            job.run.save(self._runs)
        except Exception as error:
            reason = error.strerror if isinstance(error, OSError) else sentence(error)
            self._ended(job, "failed", f"The picture is made but could not be saved: {reason}")
            return False
        self._ended(job, "done", "")
        return True

    def clear(self) -> None:
        """Let go of all jobs."""
        self._jobs.clear()

    def _evaluations(self) -> int:
        return sum(job.engine_job.evaluation for job in self._jobs)

    def _measure(self, evaluations: int, seconds: float) -> None:
        """Count a round for the pace, unless it only decoded."""
        if evaluations:
            self._paces.append(seconds / evaluations)

    def _means(self) -> "tuple[Callable[[Tensor], Image], float]":
        """Return how previews are made, and how long each waits: they get a tenth of the time."""
        crowd = PREVIEW_SHARE * len(self._jobs)
        pause = crowd * self._library.decode_seconds
        if pause <= CROWDED_SECONDS:
            return self._library.picture, pause
        return self._library.sketch, crowd * self._sketch_seconds

    def _follow(self, job: WorkerJob, draw: "Callable[[Tensor], Image]", pause: float) -> None:
        state = job.engine_job.state
        if state in ("failed", "cancelled"):
            self._jobs.remove(job)
            reason = job.engine_job.error
            self._ended(job, state, _told(reason) if reason else "")
            return
        job.measure()
        if state == "done":
            self._jobs.remove(job)
            job.run = job.engine_job.result
            job.set(state="saving", seconds_left=0.0)
            job.show(job.run.image)
            self.save(job)
        elif self._watched(job.id) and job.wants_preview(pause):
            started = time.monotonic()
            try:
                job.show(draw(job.engine_job.x0_pred))
                if draw != self._library.picture:
                    self._sketch_seconds = time.monotonic() - started
            except Exception as error:  # the run itself may well go on
                log.warning("no preview of %s: %s", job.id, sentence(error))

    def fail_all(self, reason: str) -> None:
        """End all jobs with an error and take a fresh engine."""
        if not self._jobs:
            return
        from sdlab.sampling.engine import Engine

        for job in list(self._jobs):
            self._ended(job, "failed", reason)
        self.clear()
        assert self._library.model is not None
        self._library.engine = Engine(self._library.model)


def _told(error: BaseException) -> str:
    """Return why a run failed; of an error that is not ours also its own words.

    It may come from a plug-in sampler, whose author needs the message.
    """
    said = sentence(error)
    known = isinstance(error, (ValueError, SdlabError))
    return said if known else f"{type(error).__name__}: {str(error)[:500]}. {said}"
