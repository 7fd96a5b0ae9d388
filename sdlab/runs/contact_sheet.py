"""The contact sheet of a grid: all its pictures in one, with what each was made with beside it.

A picture below 256 pixels is enlarged by a whole number, so each of its pixels stays what it is;
pictures are made smaller only where the sheet would have more than 64 million pixels.
"""

import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from sdlab.errors import StoreError
from sdlab.experiment.axis import LABELS, WORDS
from sdlab.experiment.grid import Grid
from sdlab.experiment.spec import OPTIONS
from sdlab.experiment.sweep import Sweep, SweepCell
from sdlab.runs import run_path
from sdlab.runs.png import KEY, exact, parameters
from sdlab.runs.run_folder import open_picture, read_facts

if TYPE_CHECKING:
    Pictures = Mapping[str, "Image.Image | str"]

GRID_KEY = "sdlab_grid"
LEAST_SIDE = 256
MOST_PIXELS = 64 * 10**6
IN_A_ROW = 6
WHITE, INK, MUTED, EMPTY = "#ffffff", "#1a1c23", "#555b6a", "#e8eaf0"


@dataclass(frozen=True)
class _Measure:
    """Sizes of a sheet in pixels: of a cell, a letter, and what is left free."""

    cell: tuple[int, int]

    @property
    def letter(self) -> int:
        return min(40, max(15, self.cell[0] // 16))

    @property
    def gap(self) -> int:
        return self.letter // 2

    @property
    def font(self) -> Any:
        return ImageFont.load_default(self.letter)

    def lines(self, text: str, width: float) -> list[str]:
        """Return a text in lines that are no wider; a word that is wider itself is cut."""
        lines: list[str] = []
        for word in text.split():
            joined = f"{lines[-1]} {word}" if lines else word
            if lines and self.font.getlength(joined) <= width:
                lines[-1] = joined
                continue
            lines.append("")
            for letter in word:
                if lines[-1] and self.font.getlength(lines[-1] + letter) > width:
                    lines.append("")
                lines[-1] += letter
        return lines

    def block(self, lines: Sequence[str]) -> int:
        """Return how high lines of text are, with the gap below them."""
        return len(lines) * round(1.3 * self.letter) + (self.gap if lines else 0)


def contact_sheet(grid: Grid, pictures: "Pictures") -> Image.Image:
    """Return all pictures of a grid in one, rows and columns labelled, on white.

    Args:
        grid: The grid.
        pictures: Its pictures by run id; a text in the place of one says why there is none.
    """
    found = [picture for picture in pictures.values() if isinstance(picture, Image.Image)]
    size = (max((p.width for p in found), default=1), max((p.height for p in found), default=1))
    measure = _Measure(_cell_size(size, len(grid.cells)))
    rows = list(_rows(grid))
    aside = [measure.lines(row.label, measure.cell[0] * 0.6) for row in rows]
    gutter = math.ceil(max(measure.font.getlength(line) for a in aside for line in (*a, "")))
    left = measure.gap * 2 + (gutter + measure.gap * 2 if gutter else 0)
    across = max(len(row.cells) for row in rows) * (measure.cell[0] + measure.gap)
    width = left + max(across, 2 * LEAST_SIDE) + measure.gap
    title = measure.lines(in_common(grid), width - 4 * measure.gap)
    heads = [_heads(row, measure) for row in rows]
    height = measure.gap * 3 + measure.block(title)
    height += sum(
        measure.block(measure.lines(row.above, width)) + head + measure.cell[1] + measure.gap
        for row, (_, head) in zip(rows, heads, strict=True)
    )
    sheet = Image.new("RGB", (width, height), WHITE)
    pen, top = ImageDraw.Draw(sheet), measure.gap * 2
    top = _write(pen, measure, title, (measure.gap * 2, top), MUTED)
    for row, side, (labels, head) in zip(rows, aside, heads, strict=True):
        above = measure.lines(row.above, width)
        top = _write(pen, measure, above, (measure.gap * 2, top))
        for index, cell in enumerate(row.cells):
            x = left + index * (measure.cell[0] + measure.gap)
            _write(pen, measure, labels[index], (x, top + head - measure.block(labels[index])))
            _paste(sheet, pen, measure, pictures.get(cell.experiment.id, ""), (x, top + head))
        middle = (measure.cell[1] - measure.block(side)) // 2
        _write(pen, measure, side, (measure.gap * 2, top + head + max(0, middle)))
        top += head + measure.cell[1] + measure.gap
    return sheet


def sheet_png(
    grid: Grid, pictures: "Pictures", manifests: Mapping[str, Mapping[str, Any]]
) -> bytes:
    """Return the contact sheet as PNG with its parameters as text, see ``grid_of``.

    ``parameters`` holds the first picture's, as Stable Diffusion tools read them, and the axes.

    Args:
        grid: The grid.
        pictures: As for ``contact_sheet``.
        manifests: Those of the runs, by id; may lack some.
    """
    info = PngImagePlugin.PngInfo()
    first = next((manifests[x.id] for x in grid.experiments if x.id in manifests), None)
    if first is not None:
        info.add_text(KEY, f"{parameters(first)}, {_script(grid)}")
    info.add_text(GRID_KEY, grid.to_json())
    file = io.BytesIO()
    contact_sheet(grid, pictures).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def stored_sheet(
    root: str | Path, grid: Grid, errors: Mapping[str, str] | None = None
) -> tuple[bytes, dict[str, dict[str, Any]]]:
    """Return the sheet of a grid's stored runs as PNG, and their manifests.

    Args:
        root: The folder of all runs.
        grid: The grid.
        errors: Why runs are missing, by id; "not made" unless said.
    """
    manifests: dict[str, dict[str, Any]] = {}
    pictures: dict[str, Image.Image | str] = {}
    for experiment in grid.experiments:
        folder = run_path(Path(root).expanduser(), experiment.id)
        try:
            facts, _ = read_facts(folder)
            pictures[experiment.id] = open_picture(folder)
            manifests[experiment.id] = facts
        except (OSError, StoreError):
            pictures[experiment.id] = (errors or {}).get(experiment.id, "not made")
    return sheet_png(grid, pictures, manifests), manifests


def grid_of(path: str | Path) -> Grid:
    """Return the grid that a contact sheet was made of, from its PNG.

    Raises:
        ValueError: If the file is no contact sheet.
    """
    try:
        with Image.open(path, formats=["PNG"]) as image:
            text = image.info[GRID_KEY]
    except (OSError, KeyError, ValueError, SyntaxError):
        raise ValueError(f"{path} is no contact sheet of a grid.") from None
    return Grid.from_dict(json.loads(text))


@dataclass(frozen=True)
class _Row:
    """One row: its cells, their column labels or none, what stands beside and above it."""

    cells: Sequence[SweepCell]
    labelled: bool
    label: str
    above: str


def _rows(grid: Grid) -> Iterator[_Row]:
    columns, rows, _ = grid.sides
    if len(grid.axes) == 1:
        each = columns if columns <= IN_A_ROW else math.ceil(math.sqrt(columns))
        for start in range(0, columns, each):
            yield _Row(grid.cells[start : start + each], True, "", "")
        return
    for start in range(0, len(grid.cells), columns):
        cells = grid.cells[start : start + columns]
        first = start // columns % rows == 0
        above = cells[0].labels[2] if first and len(grid.axes) > 2 else ""
        yield _Row(cells, first, cells[0].labels[1], above)


def _cell_size(size: tuple[int, int], count: int) -> tuple[int, int]:
    width, height = size
    scale: float = max(1, -(-LEAST_SIDE // max(size))) if max(size) > 1 else LEAST_SIDE
    if width * height * count * scale**2 > MOST_PIXELS:
        scale = math.sqrt(MOST_PIXELS / (width * height * count))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _heads(row: _Row, measure: _Measure) -> tuple[list[list[str]], int]:
    """Return the column labels over a row in lines, and how high they are."""
    labels = [
        measure.lines(cell.labels[0], measure.cell[0]) if row.labelled else [] for cell in row.cells
    ]
    return labels, max(map(measure.block, labels))


def in_common(grid: Sweep) -> str:
    """Return what all pictures have in common, in one text."""
    varied, base = {axis.field for axis in grid.axes}, grid.base
    parts = [] if varied & {"prompt", WORDS} else [base.prompt or "(no prompt)"]
    if base.negative_prompt and not varied & {"negative_prompt", WORDS}:
        parts.append(f"not: {base.negative_prompt}")
    said = {
        "solver": base.solver,
        "num_steps": f"{base.num_steps} steps",
        "guidance_scale": f"CFG {exact(base.guidance_scale)}",
        "seed": f"seed {base.seed}",
        "curve": base.curve and f"{base.curve} curve",
        "eta": base.eta is not None and f"eta {exact(base.eta)}",
        "guidance_rescale": base.guidance_rescale and f"rescale {exact(base.guidance_rescale)}",
        "strength": base.strength is not None and f"strength {exact(base.strength)}",
        "fast": base.fast and "fast",
        "model": base.model,
    }
    parts += [str(text) for name, text in said.items() if text and name not in varied]
    for name in OPTIONS:
        parts += [f"{key} {value}" for key, value in getattr(base, name)]
    return " · ".join(parts)


def _script(grid: Grid) -> str:
    """Return the axes as A1111 writes those of its X/Y/Z plot."""
    parts = ["Script: sdlab grid"]
    for letter, axis in zip("XYZ", grid.axes, strict=False):
        values = json.dumps(", ".join(map(_value, axis.values)), ensure_ascii=False)
        parts += [
            f"{letter} Type: {LABELS.get(axis.field, axis.field)}",
            f"{letter} Values: {values}",
        ]
    return ", ".join(parts)


def _value(value: Any) -> str:
    return exact(value) if isinstance(value, float) else str(value)


def _write(
    pen: ImageDraw.ImageDraw,
    measure: _Measure,
    lines: Sequence[str],
    at: tuple[float, float],
    ink: str = INK,
) -> int:
    """Write lines of text and return where the next thing begins."""
    x, top = at
    for number, line in enumerate(lines):
        pen.text((x, top + number * round(1.3 * measure.letter)), line, ink, measure.font)
    return round(top) + measure.block(lines)


def _paste(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    measure: _Measure,
    picture: "Image.Image | str",
    at: tuple[int, int],
) -> None:
    width, height = measure.cell
    if isinstance(picture, Image.Image):
        scale = min(width / picture.width, height / picture.height)
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
        sheet.paste(picture.convert("RGB").resize(size, how), at)
        return
    pen.rectangle((*at, at[0] + width - 1, at[1] + height - 1), EMPTY)
    lines = measure.lines(picture, width - 2 * measure.gap)[: height // (2 * measure.letter)]
    _write(pen, measure, lines, (at[0] + measure.gap, at[1] + measure.gap), MUTED)
