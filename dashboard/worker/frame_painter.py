"""Draws the frames of runs in small pieces, between the network calls of the runs in flight.

First comes a sketch by a linear map, quick enough to go before all else. If the decoder is quick
too, a decoded sheet replaces it, painted while nothing else is in flight, the latest run first.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.worker.frames import Sheet, SheetPainter, read_sheet, write_sheet
from dashboard.worker.own_folder import NAME
from dashboard.worker.snapshots import Snapshot
from dashboard.worker.stored_runs import open_stored
from dashboard.worker.task import NO_MODEL, Priority, Task
from dashboard.worker.tasks import Tasks
from dashboard.worker.zipped_frames import add_frames
from sdlab.latents.frames import grey_channels

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor
    from zipstream import ZipStream

    from dashboard.worker.held_models import HeldModels
    from sdlab.models.model import Model
    from sdlab.runs.run import Run
    from sdlab.work import Work

    Means = tuple[str, Callable[[Tensor], Image.Image]]

log = logging.getLogger(__name__)

REMEMBERED = 1000
MOST_WAITING = 100
"""Runs whose frames wait to be decoded; the others' are when somebody looks at them."""
PATIENCE_SECONDS = 30.0
PIECE_SECONDS = 0.1
DECODED = 3  # frames an evaluation


@dataclass(eq=False)
class FramePainter:
    """Makes the tasks that draw frames; may be called from any thread.

    Attributes:
        tasks: Of the worker.
        held: Have the decoders.
        runs: Folder of the stored runs.
    """

    tasks: Tasks
    held: "HeldModels"
    runs: Path
    _settled: OrderedDict[str, None] = field(default_factory=OrderedDict)

    @property
    def folder(self) -> Path:
        """Where the sheets lie."""
        return self.runs / NAME / "frames"

    def want(self, run: str, at_hand: "Run | None" = None) -> None:
        """Ask for the best frames of a run, in memory or to be opened from its folder.

        Frames that cannot be drawn better with the model in memory are not drawn again.
        """
        with self.tasks.lock:
            if at_hand is not None:
                self._settled.pop(run, None)
            if run in self._settled:
                return
            task = Task(
                Snapshot(_key(run)),
                Priority.SKETCH,
                lambda model: self._drawing(task, run, at_hand),
                model_hash=NO_MODEL,
                ended=partial(self._settle, run),
            )
            self.tasks.begin(task)

    def busy_with(self, run: str) -> bool:
        """Return whether better frames of a run are still to come."""
        return self.tasks.get(_key(run)) is not None

    def sheet(self, run: str) -> Sheet | None:
        """Return the best frames of a run that there are by now."""
        return read_sheet(self.folder, run)

    def add_to(self, archive: "ZipStream", run: str, ask: "Callable[..., Any]") -> None:
        """Add the frames of a stored run to its zip, drawn anew when the zip comes to them.

        Args:
            archive: The zip.
            run: The run's id.
            ask: As ``Worker.ask``.

        Raises:
            StoreError: If the run is gone or damaged.
        """
        opened = open_stored(self.runs, run)
        how = self.held.means(opened.manifest["model"]["hash"])[-1][0]
        add_frames(archive, opened, how, ask, self.sheet(run))

    def decoding(self, run: str) -> "Callable[[Model], Work[None]]":
        """Return the study that decodes all frames of a stored run, however long it takes.

        Once it is through, the sheet is written. It fails with a ``ValueError`` if another model
        made the run, as its decoder would draw it wrongly, and with a ``StoreError`` if the run is
        gone or damaged, or cannot be written.
        """
        return partial(self._decoding, run)

    def forget_settled(self) -> None:
        """Forget what is drawn as well as can be: now it may be drawn better, or not at all."""
        with self.tasks.lock:
            self._settled.clear()

    def _decoding(self, run: str, model: "Model") -> "Work[None]":
        opened = open_stored(self.runs, run)
        if opened.manifest["model"]["hash"] != model.hash:
            raise ValueError(f"run {run} was made by another model than the one in memory.")
        yield from self._sheet(opened, ("decoded", model.decode))

    def _drawing(self, task: Task, run: str, at_hand: "Run | None") -> "Work[None]":
        """Draw a run's sheet by the quickest means at once, then at leisure by the best."""
        before = read_sheet(self.folder, run) if at_hand is None else None
        if before is not None and before.best:
            return
        opened = at_hand or open_stored(self.runs, run)
        means = self.held.means(opened.manifest["model"]["hash"])
        if before is not None and before.how == "decoded" != means[-1][0]:
            return  # of an earlier version, with fewer rows, but better than what can be drawn now
        yield from now_and_then(self._sheet(opened, means[0]))
        if len(means) > 1 and self._affordable(opened):
            task.priority = Priority.PAINTING
            self._drop_oldest()
            count = len(opened.trace.kept)
            del opened, at_hand  # where runs never end, this waits for long
            yield 0, count
            yield from self._sheet(open_stored(self.runs, run), means[-1])

    def _drop_oldest(self) -> None:
        """Give up what has waited longest to be painted, where one more would be too many."""
        waiting = self.tasks.line(Priority.PAINTING)
        for task in waiting[: max(0, len(waiting) + 1 - MOST_WAITING)]:
            self.tasks.withdraw(task)
            task.end("cancelled")

    def _sheet(self, run: "Run", means: "Means") -> "Work[None]":
        how, picture = means
        facts = run.manifest
        size, flow = (facts["width"], facts["height"]), "flow_time" in run.steps.columns
        if how != "decoded" and "x_t" in run.trace.names():  # no finer than the latents
            size = grey_channels(run.trace.x_t[:1], 1.0).size
        painter = SheetPainter(run.trace, size, picture, flow)
        for done in painter.paint():
            yield done, len(painter.kept)
        write_sheet(self.folder, run.id, painter.sheet(how))

    def _affordable(self, run: "Run") -> bool:
        held = self.held.of(run.manifest["model"]["hash"])
        size = run.manifest["width"], run.manifest["height"]
        seconds = held.seconds_to_decode(*size) if held else 0.0
        return DECODED * len(run.trace.kept) * seconds < PATIENCE_SECONDS

    def _settle(self, run: str, state: str, error: BaseException | None, result: Any) -> None:
        if error is not None and not self.tasks.closed:
            log.warning("no frames for %s: %s", run, self.tasks.sentence(error))
        with self.tasks.lock:
            self.tasks.forget(_key(run))
            if state != "cancelled":
                self._settled[run] = None
            if len(self._settled) > REMEMBERED:
                self._settled.popitem(last=False)


def now_and_then(work: "Work[None]") -> "Work[None]":
    """Do work that consists of small pieces in pieces of ``PIECE_SECONDS``."""
    begun = time.monotonic()
    for progress in work:
        if time.monotonic() - begun > PIECE_SECONDS:
            yield progress
            begun = time.monotonic()


def _key(run: str) -> str:
    return f"frames of {run}"
