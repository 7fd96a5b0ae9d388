"""The frames of a run's viewer: its tensors at every kept evaluation on one sheet.

The sheet is a picture with a row for each of ``ROWS`` that was recorded, one column an evaluation,
wrapped into bands where it would grow too wide. It is derived from the tensors and stored beside
the runs, not in them, so it may be lossy and can be made again.
"""

import io
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image

from sdlab.errors import StoreError
from sdlab.latents.frames import CHANNELS, FRAMES, RunFrames
from sdlab.runs.atomic import write_file
from sdlab.runs.png import png_bytes
from sdlab.runs.reading import check_folder, read_file

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.runs.trace import Trace

log = logging.getLogger(__name__)

ROWS = FRAMES
EARLIER_ROWS = ("x_t", "x0_pred")  # of sheets that do not say it
MAX_SIDE = 512
MAX_PIXELS = 16_000_000
MAX_WIDTH = 8192
LIMIT = 4 * MAX_PIXELS


@dataclass(frozen=True)
class Sheet:
    """A finished sheet.

    Attributes:
        webp: The encoded picture.
        kept: The evaluation number of each frame.
        size: (width, height) of one frame, in pixels.
        columns: Frames a band.
        how: "decoded", "linear" or "false colour".
        names: What each row of a band shows.
    """

    webp: bytes
    kept: tuple[int, ...]
    size: tuple[int, int]
    columns: int
    how: str
    names: tuple[str, ...] = EARLIER_ROWS

    @property
    def best(self) -> bool:
        """Whether it cannot be drawn better: decoded, with all rows there are today."""
        return self.how == "decoded" and (CHANNELS in self.names or "x_t" not in self.names)

    def corner(self, name: str, index: int) -> tuple[int, int]:
        """Return (left, top) of a tensor's frame at a place among ``kept``, in pixels."""
        band, column = divmod(index, self.columns)
        row = len(self.names) * band + self.names.index(name)
        return column * self.size[0], row * self.size[1]

    def pictures(self, name: str, places: Sequence[int]) -> list[Image.Image]:
        """Return a tensor's frames at some places among ``kept``."""
        whole = Image.open(io.BytesIO(self.webp)).convert("RGB")
        width, height = self.size
        corners = [self.corner(name, place) for place in places]
        return [whole.crop((x, y, x + width, y + height)) for x, y in corners]

    def frames(self) -> Iterator[tuple[str, bytes]]:
        """Yield a file's name, such as "x0_pred-005.png", and its bytes for each frame."""
        for name in self.names:
            pictures = self.pictures(name, range(len(self.kept)))
            for number, picture in zip(self.kept, pictures, strict=True):
                yield f"{name}-{number:03}.png", png_bytes(picture, quick=True)


def frame_size(width: int, height: int, count: int) -> tuple[int, int]:
    """Return the pixels of one frame: as large as the picture, within the sheet's limits."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    scale = min(scale, (MAX_PIXELS / (len(ROWS) * count * width * height)) ** 0.5)
    return max(8, round(width * scale)), max(8, round(height * scale))


class SheetPainter:
    """Paints a sheet frame by frame, so that runs in flight go on in between.

    Args:
        trace: What the run kept.
        size: (width, height) of the picture, in pixels.
        picture: Latents [1, C, h, w] -> picture.
        flow: Whether it is a run of flow matching.
    """

    def __init__(
        self,
        trace: "Trace",
        size: tuple[int, int],
        picture: Callable[["Tensor"], Image.Image],
        flow: bool = False,
    ) -> None:
        self._frames = RunFrames(trace, picture, flow)
        self.names, self.kept = self._frames.names, self._frames.kept
        self.size = frame_size(*size, max(1, len(self.kept)))
        self.columns = max(1, min(len(self.kept), MAX_WIDTH // self.size[0]))

    def paint(self) -> Iterator[int]:
        """Yield how many evaluations are drawn, after each one; then ``sheet`` is complete."""
        width, height = self.size
        bands = -(-len(self.kept) // self.columns)
        canvas = Image.new("RGB", (self.columns * width, bands * len(self.names) * height))
        for index in range(len(self.kept)):
            band, column = divmod(index, self.columns)
            for row, name in enumerate(self.names):
                frame = self._frames.draw(name, index)
                where = (column * width, (len(self.names) * band + row) * height)
                canvas.paste(_fit(frame, self.size), where)
            yield index + 1
        self._canvas = canvas

    def sheet(self, how: str) -> Sheet:
        """Return the painted sheet; ``how`` says by what means."""
        buffer = io.BytesIO()
        self._canvas.save(buffer, "WEBP", quality=88, method=2)
        return Sheet(buffer.getvalue(), self.kept, self.size, self.columns, how, self.names)


def write_sheet(folder: Path, run: str, sheet: Sheet) -> None:
    """Write a sheet beside the runs; the picture last, so that a sheet is complete or missing.

    Raises:
        StoreError: If it cannot be written.
    """
    _check(folder)
    facts = {name: value for name, value in asdict(sheet).items() if name != "webp"}
    for name, data in ((f"{run}.json", json.dumps(facts).encode()), (f"{run}.webp", sheet.webp)):
        write_file(folder / name, partial(_put, data))


def read_sheet(folder: Path, run: str) -> Sheet | None:
    """Return the sheet of a run, or None if there is none yet."""
    try:
        _check(folder)
        webp = read_file(folder / f"{run}.webp", LIMIT)
        facts = json.loads(read_file(folder / f"{run}.json", LIMIT))
        return Sheet(
            webp,
            tuple(facts["kept"]),
            (facts["size"][0], facts["size"][1]),
            facts["columns"],
            facts["how"],
            tuple(facts.get("names", EARLIER_ROWS)),
        )
    except FileNotFoundError:
        return None
    except (OSError, StoreError, ValueError, LookupError, TypeError, RecursionError) as error:
        log.warning("cannot read the frames of %s: %s", run, error)
        return None


def _check(folder: Path) -> None:
    for place in (folder.parent, folder):
        check_folder(place)


def _put(data: bytes, stream: BinaryIO) -> None:
    stream.write(data)


def _fit(frame: Image.Image, size: tuple[int, int]) -> Image.Image:
    if frame.size == size:
        return frame
    larger = frame.width < size[0]
    resample = Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS
    return frame.resize(size, resample)
