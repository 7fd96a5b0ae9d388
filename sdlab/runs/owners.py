"""Whose the stored things are: a table beside them, in the folder ``.owners`` of the store.

So neither ids nor folders, files, zips or older runs know of it, and what is put back from the
trash is whose it was. Two who ask for the same thing both own it. What nobody owns was made
without login, or before there was one.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sdlab.errors import StoreError
from sdlab.runs.reading import check_folder, check_plain

PLACE = Path(".owners") / "owners.sqlite3"
EVERYBODY = "*"
"""An owner of what its owner shares: others may mark it, too."""
_WAIT_SECONDS = 10.0
_TABLE = "CREATE TABLE IF NOT EXISTS owners (kind, name, owner, PRIMARY KEY (kind, name, owner))"


def add_owner(root: str | Path, kind: str, names: Iterable[str], owner: str) -> None:
    """Note that somebody owns things, too.

    Args:
        root: The folder of all runs.
        kind: One of ``sdlab.runs.trash.KINDS``.
        names: Their ids; of curves their names.
        owner: Who; "" is nobody in particular, of whom nothing is noted.

    Raises:
        StoreError: If the disk cannot be written, or the table is damaged.
    """
    rows = [(kind, name, owner) for name in names] if owner else []
    if rows:
        with _table(Path(root), make=True) as table:
            table.executemany("INSERT OR IGNORE INTO owners VALUES (?, ?, ?)", rows)


def drop_owner(root: str | Path, kind: str, name: str, owner: str | None = None) -> None:
    """Note that somebody owns a thing no longer; nobody does where ``owner`` is None.

    Raises:
        StoreError: As ``add_owner``.
    """
    if not owners_of(root, kind, name):
        return
    with _table(Path(root)) as table:
        sql = "DELETE FROM owners WHERE kind = ? AND name = ? AND (? IS NULL OR owner = ?)"
        table.execute(sql, (kind, name, owner, owner))


def owners_of(root: str | Path, kind: str, name: str) -> tuple[str, ...]:
    """Return who owns a thing, in alphabetical order; nobody of what was made without login.

    Raises:
        StoreError: If the table is damaged.
    """
    sql = "SELECT owner FROM owners WHERE kind = ? AND name = ? ORDER BY owner"
    return tuple(owner for (owner,) in _told(Path(root), sql, (kind, name)))


def all_owners(root: str | Path, kind: str) -> dict[str, tuple[str, ...]]:
    """Return the owners of all things of a kind that have any, by their names.

    Raises:
        StoreError: If the table is damaged.
    """
    found: dict[str, tuple[str, ...]] = {}
    sql = "SELECT name, owner FROM owners WHERE kind = ? ORDER BY name, owner"
    for name, owner in _told(Path(root), sql, (kind,)):
        found[name] = (*found.get(name, ()), owner)
    return found


def age_of(root: Path) -> int:
    """Return when the table was changed last, in nanoseconds; 0 if there is none."""
    found = 0
    for path in (root / PLACE, root / f"{PLACE}-wal"):
        if path.is_file():
            found = max(found, path.stat().st_mtime_ns)
    return found


def _told(root: Path, sql: str, values: tuple[str, ...]) -> list[tuple[str, ...]]:
    if not (root / PLACE).is_file():
        return []
    with _table(root) as table:
        return table.execute(sql, values).fetchall()


@contextmanager
def _table(root: Path, make: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the table, and keep what is done to it if all of it can be."""
    path = root / PLACE
    try:
        check_folder(path.parent)
        if make:
            path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path):
            check_plain(path)
        connection = sqlite3.connect(path, timeout=_WAIT_SECONDS)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            with connection:
                connection.execute(_TABLE)
                yield connection
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"{path}, which says whose the runs are, cannot be used: {error}. If it is damaged, "
            "move it away: what is stored then belongs to nobody, and operators change it."
        ) from error
