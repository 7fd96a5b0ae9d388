"""Stored grids: which pictures belong together; their runs lie beside them, as any others do."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.columns import GRID
from sdlab.errors import StoreError
from sdlab.experiment.grid import Grid
from sdlab.experiment.spec import OPTIONS
from sdlab.runs import RUN_ID
from sdlab.runs.atomic import write_file
from sdlab.runs.leavings import mend
from sdlab.runs.manifest import was_shared
from sdlab.runs.reading import check_folder, read_file

if TYPE_CHECKING:
    import pandas as pd

FOLDER = ".grids"
LIMIT = 2**24


class StoredGrid(NamedTuple):
    """A grid in the folder of all runs.

    Attributes:
        id: The grid's.
        asked: When it was asked for last.
        grid: The grid; None if its file is damaged.
        problem: Why it cannot be read.
    """

    id: str
    asked: datetime
    grid: Grid | None
    problem: str = ""


def save_grid(grid: Grid, root: str | Path) -> Path:
    """Note a grid in the folder of all runs and return the file; its runs are saved on their own.

    Raises:
        StoreError: If the disk cannot be written, or the folder of grids is a link.
    """
    text = grid.to_json().encode()
    path = _folder(root) / f"{grid.id}.json"
    return write_file(path, lambda stream: stream.write(text))


def open_grid(root: str | Path, grid: str) -> Grid | None:
    """Return a stored grid by its id, or None if there is none.

    Raises:
        StoreError: If its file is damaged.
    """
    path = Path(root).expanduser() / FOLDER / f"{grid}.json"
    if not RUN_ID.fullmatch(grid) or not os.path.lexists(path):
        return None
    check_folder(path.parent)
    try:
        return Grid.from_dict(json.loads(read_file(path, LIMIT)))
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise StoreError(f"{path} cannot be read: {error}. Run the grid again.") from error


def list_grids(root: str | Path) -> list[StoredGrid]:
    """Return the stored grids, the latest first; one that cannot be read says why."""
    folder = Path(root).expanduser() / FOLDER
    mend(folder)
    paths = () if folder.is_symlink() else folder.glob("*.json")
    found = [_stored(path) for path in paths if RUN_ID.fullmatch(path.stem)]
    return sorted(found, key=lambda grid: grid.asked, reverse=True)


def _folder(root: str | Path) -> Path:
    return check_folder(Path(root).expanduser() / FOLDER)


def _stored(path: Path) -> StoredGrid:
    asked = datetime.fromtimestamp(0, UTC)
    with suppress(OSError):  # just deleted
        asked = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    try:
        return StoredGrid(path.stem, asked, open_grid(path.parents[1], path.stem))
    except StoreError as error:
        return StoredGrid(path.stem, asked, None, str(error))


def grid_table(
    grid: Grid, manifests: Mapping[str, Mapping[str, Any]], errors: Mapping[str, str] | None = None
) -> "pd.DataFrame":
    """Return a table with a row for each picture of a grid, in the grid's order.

    Args:
        grid: The grid.
        manifests: Those of its runs, by id; may lack some.
        errors: Why runs are missing, by id.
    """
    import pandas as pd

    rows = [_row(cell.place, cell.experiment, manifests, errors or {}) for cell in grid.cells]
    return pd.DataFrame(rows, columns=list(GRID))


def _row(
    place: tuple[int, ...],
    experiment: Any,
    manifests: Mapping[str, Mapping[str, Any]],
    errors: Mapping[str, str],
) -> dict[str, Any]:
    facts = manifests.get(experiment.id, {})
    column, row, table = (*place, 0, 0)[:3]
    fields = experiment.to_dict()
    model = facts.get("model", {})
    return {
        "run": experiment.id,
        "column": column,
        "row": row,
        "table": table,
        **{name: value for name, value in fields.items() if name in GRID},
        **{name: json.dumps(fields[name]) if fields.get(name) else "" for name in OPTIONS},
        "width": facts.get("width", experiment.width),
        "height": facts.get("height", experiment.height),
        "fast": experiment.fast,
        "model_hash": model.get("hash", ""),
        "nfe": facts.get("nfe"),
        "seconds": facts["total_ms"] / 1000 if "total_ms" in facts else None,
        "shared": was_shared(facts) if facts else None,
        "error": errors.get(experiment.id, ""),
    }
