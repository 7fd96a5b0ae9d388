"""The trash: deleted runs wait in a folder of the store, from where they can be put back."""

import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sdlab.errors import StoreError
from sdlab.runs import RUN_ID, TRASH, run_path
from sdlab.runs.atomic import replace_folder
from sdlab.runs.reading import check_folder
from sdlab.runs.row import size_of


class Deleted(NamedTuple):
    """A run in the trash.

    Attributes:
        run: Its id.
        deleted: When it was deleted, with time zone.
        bytes: Size of its files.
    """

    run: str
    deleted: datetime
    bytes: int


def delete_run(root: str | Path, run: str) -> Path:
    """Move a stored run to the trash and return where it lies there.

    What the trash holds of an earlier run of this id is replaced: it is the same experiment.

    Raises:
        StoreError: If the run is not stored, the disk cannot be written, or the trash is a link.
    """
    source, target = run_path(root, run), _place(root, run)
    if not os.path.lexists(source):
        raise StoreError(f"No run {run} is stored in {root}; `sdlab runs ls` lists them.")
    try:
        target.parent.mkdir(exist_ok=True)
        with suppress(OSError):
            os.utime(source, follow_symlinks=False)  # the time of its deletion
        replace_folder(source, target)
    except OSError as error:
        raise StoreError(f"Run {run} cannot be moved to {target.parent}: {error}.") from error
    return target


def restore_run(root: str | Path, run: str) -> Path:
    """Put a run back from the trash and return its folder.

    Raises:
        StoreError: If the trash does not hold it or is a link, if it has been made again since, or
            if the disk cannot be written.
    """
    source, target = _place(root, run), run_path(root, run)
    if not os.path.lexists(source):
        raise StoreError(f"No run {run} is in the trash of {root}; `sdlab runs trash` lists it.")
    if os.path.lexists(target):
        raise StoreError(f"Run {run} has been made again since it was deleted: nothing to restore.")
    try:
        source.rename(target)
    except OSError as error:
        raise StoreError(f"Run {run} cannot be put back to {target}: {error}.") from error
    return target


def list_trash(root: str | Path) -> list[Deleted]:
    """Return the runs in the trash, the one deleted last first; none if it is a link."""
    folder = Path(root) / TRASH
    there = folder.is_dir() and not folder.is_symlink()
    paths = [path for path in folder.iterdir() if RUN_ID.fullmatch(path.name)] if there else []
    found = [Deleted(path.name, _when(path), size_of(path)) for path in paths]
    return sorted(found, key=lambda deleted: deleted.deleted, reverse=True)


def empty_trash(root: str | Path) -> int:
    """Delete for ever what is in the trash and return how many runs that were.

    Raises:
        StoreError: If the disk cannot be written; what is left stays in the trash.
    """
    found = list_trash(root)
    for deleted in found:
        path = _place(root, deleted.run)
        try:
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
            else:
                shutil.rmtree(path)
        except FileNotFoundError:
            continue  # another process empties it too
        except OSError as error:
            raise StoreError(f"{path} cannot be deleted: {error}.") from error
    return len(found)


def _place(root: str | Path, run: str) -> Path:
    return run_path(check_folder(Path(root) / TRASH), run)


def _when(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    except OSError:
        return datetime.fromtimestamp(0, UTC)
