"""One run in the worker: the engine's job, and the snapshot of it that pages see."""

import io
import time
from typing import TYPE_CHECKING, Any

from PIL import Image

from dashboard.worker.snapshots import JobView
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    from sdlab.runs.run import Run

PREVIEW_SECONDS = 0.3
PREVIEW_SIDE = 320


class WorkerJob:
    """A run that was asked for; changed by the worker's thread only, read through ``view``.

    Args:
        experiment: What to run.
        state: "queued", or how it ended in an earlier life of the server.
        frames: Whether the scrubber's frames are to be drawn once it is done.
    """

    def __init__(self, experiment: Experiment, state: str = "queued", frames: bool = True) -> None:
        self.frames = frames
        self.view = JobView(experiment.id, experiment, state)
        self.engine_job: Any = None
        self.run: Run | None = None
        self.cancelled = False
        self._painted = 0.0

    @property
    def id(self) -> str:
        """The experiment's id."""
        return self.view.id

    def set(self, **changes: object) -> None:
        """Replace the snapshot by one with the named fields changed."""
        self.view = self.view.with_(**changes)

    def end(self, state: str, error: str = "") -> None:
        """Note how the run ended, and release everything it held but an unsaved picture."""
        self.set(state=state, error=error, position=0, seconds_left=None, unsaved=bool(self.run))
        if state == "done":
            self.set(preview=None)
        self.engine_job = None

    def measure(self) -> None:
        """Copy the engine's counters into the snapshot."""
        job = self.engine_job
        done, nfe = job.evaluation, job.nfe
        rate = left = None
        if job.started is not None and done:
            per_second = done / max(1e-6, (job.ended or time.monotonic()) - job.started)
            rate = per_second * self.view.experiment.num_steps / max(1, nfe)
            left = (nfe - done) / per_second
        self.set(state=job.state, evaluation=done, nfe=nfe, rate=rate, seconds_left=left)

    def wants_preview(self, pause: float) -> bool:
        """Return whether there is an x0_pred and the last preview is ``pause`` seconds old."""
        old = time.monotonic() - self._painted > max(pause, PREVIEW_SECONDS)
        return old and self.engine_job.x0_pred is not None

    def show(self, picture: Image.Image) -> None:
        """Make a picture the preview."""
        self.set(preview=png(picture))
        self._painted = time.monotonic()


def png(picture: Image.Image, side: int = PREVIEW_SIDE) -> bytes:
    """Return a picture as PNG, its longer side brought near ``side``, pixels kept square."""
    factor = side / max(picture.size)
    if factor >= 1:
        factor = max(1, round(factor))
        size = picture.width * factor, picture.height * factor
        picture = picture.resize(size, Image.Resampling.NEAREST)
    else:
        size = round(picture.width * factor), round(picture.height * factor)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
