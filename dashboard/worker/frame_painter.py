"""Draws the frames of runs in small pieces, between the network calls of the runs in flight.

First comes a sketch by a linear map, quick enough to do at once. If the decoder is quick too, a
decoded sheet replaces it, painted only while nothing else is in flight, the latest run first.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.shell.messages import sentence
from dashboard.worker.frames import SheetPainter, read_sheet, write_sheet
from dashboard.worker.stored_runs import open_stored

if TYPE_CHECKING:
    from dashboard.worker.held_model import Library
    from sdlab.models.model import Model
    from sdlab.runs.run import Run

log = logging.getLogger(__name__)

REMEMBERED = 1000
PATIENCE_SECONDS = 20.0


class Easel:
    """The drawings in progress; ``want`` and ``busy_with`` may be called from any thread.

    Args:
        library: Has the decoder.
        runs: Folder of the stored runs.
    """

    def __init__(self, library: "Library", runs: Path) -> None:
        self.folder = runs / ".dashboard" / "frames"
        self._library = library
        self._runs = runs
        self._lock = threading.Lock()
        self._sketches: OrderedDict[str, Run | None] = OrderedDict()
        self._paintings: OrderedDict[str, Iterator[int]] = OrderedDict()
        self._settled: OrderedDict[str, None] = OrderedDict()

    def want(self, run: str, at_hand: "Run | None" = None) -> None:
        """Ask for the best frames of a run, in memory or to be opened from its folder.

        Frames that cannot be drawn better with the model in memory are not drawn again.
        """
        with self._lock:
            if at_hand is not None:
                self._settled.pop(run, None)
            if run not in self._settled and run not in self._paintings:
                self._sketches.setdefault(run, at_hand)

    def busy_with(self, run: str) -> bool:
        """Return whether better frames of a run are still to come."""
        with self._lock:
            return run in self._sketches or run in self._paintings

    def decoding(self, run: str, model: "Model") -> Iterator[tuple[int, int]]:
        """Decode all frames of a stored run, however long it takes; for ``Studies``.

        Yields:
            (evaluations done, evaluations in all); after the last one the sheet is written.

        Raises:
            ValueError: If another model made the run: this decoder would draw it wrongly.
            StoreError: If the run is gone or damaged, or cannot be written.
        """
        opened = open_stored(self._runs, run)
        facts = opened.manifest
        if facts["model"]["hash"] != model.hash:
            raise ValueError(f"run {run} was made by another model than the one in memory.")
        painter = SheetPainter(opened.trace, (facts["width"], facts["height"]), model.decode)
        for done in painter.paint():
            yield done, len(painter.kept)
        write_sheet(self.folder, run, painter.sheet("decoded"))

    def let_go(self) -> None:
        """Forget which frames are final, and drop paintings in progress, which hold the decoder."""
        with self._lock:
            self._paintings.clear()
            self._settled.clear()

    def sketch(self) -> bool:
        """Draw one run's sheet by the quickest means; return whether there was one to draw."""
        if not self._sketches:
            return False
        run, at_hand = next(iter(self._sketches.items()))
        if at_hand is None and self._decoded(run):
            with self._lock:
                self._settle(run)
                self._sketches.pop(run, None)
            return True
        try:
            opened = at_hand or open_stored(self._runs, run)
            means = self._library.means(opened.manifest["model"]["hash"])
            for _ in self._draw(opened, 0):
                pass
            with self._lock:
                if len(means) > 1 and self._affordable(opened):
                    self._paintings[run] = self._draw(opened, -1)
                else:
                    self._settle(run)
        except BaseException as error:
            self._give_up(run, error)
        with self._lock:
            self._sketches.pop(run, None)
        return True

    def paint(self) -> bool:
        """Draw one more evaluation by the best means; return whether there was one to draw."""
        if not self._paintings:
            return False
        run, strokes = next(reversed(self._paintings.items()))
        try:
            next(strokes)
            return True
        except StopIteration:
            with self._lock:
                self._settle(run)
        except BaseException as error:
            self._give_up(run, error)
        with self._lock:
            self._paintings.pop(run, None)
        return True

    def _decoded(self, run: str) -> bool:
        sheet = read_sheet(self.folder, run)
        return sheet is not None and sheet.how == "decoded"

    def _affordable(self, run: "Run") -> bool:
        return 2 * len(run.trace.kept) * self._library.decode_seconds < PATIENCE_SECONDS

    def _draw(self, run: "Run", which: int) -> Iterator[int]:
        facts = run.manifest
        how, picture = self._library.means(facts["model"]["hash"])[which]
        painter = SheetPainter(run.trace, (facts["width"], facts["height"]), picture)
        yield from painter.paint()
        write_sheet(self.folder, run.id, painter.sheet(how))

    def _give_up(self, run: str, error: BaseException) -> None:
        log.warning("no frames for %s: %s", run, sentence(error))
        with self._lock:
            self._settle(run)

    def _settle(self, run: str) -> None:
        self._settled[run] = None
        if len(self._settled) > REMEMBERED:
            self._settled.popitem(last=False)
