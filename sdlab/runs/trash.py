"""The trash: what was deleted waits in a folder of the store, from where it can be put back.

There it lies as it does in the store: a run as ``.trash/<id>``, a comparison as
``.trash/.comparisons/<id>``, a curve as ``.trash/curves/<name>.json``. Its time is that of its
deletion.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sdlab.errors import StoreError, unknown
from sdlab.runs import RUN_ID, TRASH, run_path
from sdlab.runs.atomic import replace_folder
from sdlab.runs.curves import FOLDER as CURVES
from sdlab.runs.curves import curve_path
from sdlab.runs.grids import FOLDER as GRIDS
from sdlab.runs.leavings import hidden, mend, remove
from sdlab.runs.lock import LOCK, held
from sdlab.runs.owners import drop_owner
from sdlab.runs.parts import COMPARISONS
from sdlab.runs.reading import check_folder
from sdlab.runs.row import size_of
from sdlab.runs.sweep_parts import SWEEPS


class Kind(NamedTuple):
    """A kind of thing that is stored and can be deleted.

    Attributes:
        folder: Where it lies in the folder of all runs; "" for that folder itself.
        ending: Of its file; "" where it is a folder.
    """

    folder: str
    ending: str = ""


RUN = "run"
KINDS: Mapping[str, Kind] = {
    RUN: Kind(""),
    "comparison": Kind(COMPARISONS),
    "sweep": Kind(SWEEPS),
    "grid": Kind(GRIDS, ".json"),
    "curve": Kind(CURVES, ".json"),
}
"""What can be deleted; a report is made anew whenever it is asked for, and none is stored."""


class Deleted(NamedTuple):
    """What lies in the trash.

    Attributes:
        kind: One of ``KINDS``.
        name: Its id; of a curve its name.
        deleted: When it was deleted, with time zone.
        bytes: Size of its files.
    """

    kind: str
    name: str
    deleted: datetime
    bytes: int


def is_stored(root: str | Path, kind: str, name: str) -> bool:
    """Return whether something is stored under a name, also if it cannot be read.

    Args:
        root: The folder of all runs.
        kind: One of ``KINDS``.
        name: Its id; of a curve its name.

    Raises:
        StoreError: If the name is none of its kind, or its folder is a link.
        ValueError: If there is no such kind.
    """
    return os.path.lexists(_place(Path(root), kind, name))


def delete(root: str | Path, kind: str, name: str) -> Path:
    """Move what is stored to the trash and return where it lies there.

    What the trash holds of an earlier one of this name is replaced.

    Args:
        root: The folder of all runs.
        kind: One of ``KINDS``.
        name: Its id; of a curve its name.

    Raises:
        StoreError: If it is not stored, is a sweep that is being made, the disk cannot be written,
            or its folder or the trash is a link.
        ValueError: If there is no such kind.
    """
    source, target = _place(Path(root), kind, name), _place(Path(root) / TRASH, kind, name)
    check_folder(Path(root) / TRASH)
    if not os.path.lexists(source):
        raise StoreError(f"No {kind} {name} is stored in {root}; {_listed(kind)} them.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _at_rest(source, kind):
            with suppress(OSError):
                os.utime(source, follow_symlinks=False)  # the time of its deletion
            replace_folder(source, target)
    except OSError as error:
        raise StoreError(
            f"{_title(kind)} {name} cannot be moved to {target.parent}: {error}."
        ) from error
    return target


def restore(root: str | Path, kind: str, name: str) -> Path:
    """Put back what lies in the trash and return its place in the store.

    Args:
        root: The folder of all runs.
        kind: One of ``KINDS``.
        name: Its id; of a curve its name.

    Raises:
        StoreError: If the trash does not hold it or is a link, if it has been made again since, or
            if the disk cannot be written.
        ValueError: If there is no such kind.
    """
    check_folder(Path(root) / TRASH)
    source, target = _place(Path(root) / TRASH, kind, name), _place(Path(root), kind, name)
    if not os.path.lexists(source):
        raise StoreError(
            f"No {kind} {name} is in the trash of {root}; `sdlab runs trash` lists it."
        )
    if os.path.lexists(target):
        raise StoreError(
            f"{_title(kind)} {name} has been made again since it was deleted: nothing to restore."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
    except OSError as error:
        raise StoreError(
            f"{_title(kind)} {name} cannot be put back to {target}: {error}."
        ) from error
    return target


def delete_run(root: str | Path, run: str) -> Path:
    """Move a stored run to the trash and return where it lies there; see ``delete``."""
    return delete(root, RUN, run)


def restore_run(root: str | Path, run: str) -> Path:
    """Put a run back from the trash and return its folder; see ``restore``."""
    return restore(root, RUN, run)


def list_trash(root: str | Path) -> list[Deleted]:
    """Return what lies in the trash, what was deleted last first; nothing if it is a link."""
    found = [deleted for kind in KINDS for deleted in _of_kind(Path(root) / TRASH, kind)]
    return sorted(found, key=lambda deleted: deleted.deleted, reverse=True)


def empty_trash(root: str | Path, found: Sequence[Deleted] | None = None) -> int:
    """Delete for ever what is in the trash and return how many things that were.

    Args:
        root: The folder of all runs.
        found: What of it; None for all.

    Raises:
        StoreError: If the disk cannot be written; what is left stays in the trash.
    """
    gone = list_trash(root) if found is None else found
    for deleted in gone:
        path = _place(check_folder(Path(root) / TRASH), deleted.kind, deleted.name)
        hiding = hidden(path, "new")  # so that nobody puts back half of it
        try:
            path.rename(hiding)
        except FileNotFoundError:
            continue  # another process empties it too
        except OSError as error:
            raise StoreError(f"{path} cannot be deleted: {error}.") from error
        remove(hiding)
        if os.path.lexists(_place(Path(root), deleted.kind, deleted.name)):
            continue  # made again since: what stands there keeps its owners
        with suppress(StoreError):  # a table of owners that is damaged says so elsewhere
            drop_owner(root, deleted.kind, deleted.name)
    return len(gone)


def _place(root: Path, kind: str, name: str) -> Path:
    """Return where a thing lies below the store, or below its trash.

    Raises:
        StoreError: If the name is none of its kind, or its folder is a link.
        ValueError: If there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(unknown("kind of what is stored", kind, KINDS))
    folder, ending = KINDS[kind]
    if kind == "curve":
        return curve_path(name, root)
    place = run_path(check_folder(root / folder) if folder else root, name)
    return place.with_name(name + ending)


def _at_rest(path: Path, kind: str) -> AbstractContextManager[None]:
    """Hold a sweep, so that no process is making it."""
    if kind != "sweep" or path.is_symlink():
        return nullcontext()
    return held(path / LOCK, f"Sweep {path.name} is being made; cancel it, or wait for it.")


def _of_kind(trash: Path, kind: str) -> Iterator[Deleted]:
    folder, ending = KINDS[kind]
    place = trash / folder
    if trash.is_symlink() or place.is_symlink() or not place.is_dir():
        return
    mend(place)
    for path in place.iterdir():
        name = path.name.removesuffix(ending)
        right = not name.startswith(".") if kind == "curve" else RUN_ID.fullmatch(name)
        if right and path.name == name + ending:
            yield Deleted(kind, name, _when(path), size_of(path))


def _when(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    except OSError:
        return datetime.fromtimestamp(0, UTC)


def _title(kind: str) -> str:
    return kind.capitalize()


def _listed(kind: str) -> str:
    return "`sdlab runs ls` lists" if kind == RUN else "its page lists"
