"""The file in which runs that were asked for lie until they are stored: SQLite, beside the runs.

Whatever has been written is there after a crash, a kill and a power cut: SQLite forces each change
to the disk before it goes on (WAL, ``synchronous=FULL``; 3 ms on a plain disk). Several servers
may use one file, as each run belongs to one of them.
"""

import logging
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from dashboard.worker.kept_run import KeptRun
from sdlab.errors import StoreError, brief
from sdlab.runs.run_folder import MANIFEST_LIMIT

log = logging.getLogger(__name__)

VERSION = 1
BUSY_SECONDS = 2.0
_TABLE = (
    "CREATE TABLE IF NOT EXISTS runs (server TEXT NOT NULL, run TEXT NOT NULL,"
    " number INTEGER NOT NULL, told TEXT NOT NULL, PRIMARY KEY (server, run)) WITHOUT ROWID"
)
_WRITE = "INSERT OR REPLACE INTO runs (server, run, number, told) VALUES (?, ?, ?, ?)"
_DROP = "DELETE FROM runs WHERE server = ? AND run = ?"


class QueueFile:
    """One server's part of the file.

    Args:
        path: Of the file; its folder is made.
        server: The server's name.

    Attributes:
        unreadable: What is wrong with what was passed over, a sentence each.

    Raises:
        StoreError: If it cannot be opened for writing, or a newer version of sdlab wrote it.
    """

    def __init__(self, path: Path, server: str) -> None:
        self._path, self._server = path, server
        self.unreadable: list[str] = []
        try:
            self._connection = self._opened()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise _refusal(error) from error
            self._put_aside(error)
            with _explained():
                self._connection = self._opened()

    def is_gone(self) -> bool:
        """Return whether the file was removed or replaced: SQLite would go on with the old one."""
        try:
            return os.stat(self._path, follow_symlinks=False).st_ino != self._inode
        except OSError:
            return True

    def write(self, changes: Mapping[str, KeptRun | None]) -> None:
        """Write runs, and drop those that are None: all of them or, if that fails, none.

        Raises:
            StoreError: If the disk refuses.
        """
        with _explained(), self._transaction():
            for run, kept in changes.items():
                if kept is None:
                    self._connection.execute(_DROP, (self._server, run))
                else:
                    told = (self._server, run, kept.number, kept.to_json())
                    self._connection.execute(_WRITE, told)

    def others(self) -> list[str]:
        """Return the names of the other servers that have runs here.

        Raises:
            StoreError: If the file cannot be read.
        """
        with _explained():
            rows = self._connection.execute("SELECT DISTINCT server FROM runs").fetchall()
        return [str(name) for (name,) in rows if name != self._server]

    def take_over(self, server: str) -> None:
        """Make the runs of a server that is dead this one's; those it has already stay its own.

        Raises:
            StoreError: If the disk refuses.
        """
        move = "UPDATE OR IGNORE runs SET server = ? WHERE server = ?"
        with _explained(), self._transaction():
            self._connection.execute(move, (self._server, server))
            self._connection.execute("DELETE FROM runs WHERE server = ?", (server,))

    def read(self) -> list[KeptRun]:
        """Return this server's runs in the order in which they were asked for.

        Raises:
            StoreError: If the file cannot be read.
        """
        query = (
            "SELECT run, number, substr(told, 1, ?) FROM runs WHERE server = ? ORDER BY number, run"
        )
        with _explained():
            rows = self._connection.execute(query, (MANIFEST_LIMIT, self._server)).fetchall()
        found = []
        for run, number, told in rows:
            try:
                kept = KeptRun.from_json(int(number), told)
                if kept.id != run:
                    raise ValueError(f"it holds the experiment {kept.id}")
                found.append(kept)
            except Exception as error:  # whatever somebody put there, the server starts
                self._pass_over(f"A run that waited, {str(run)[:40]!r}, cannot be read: {error}")
        return found

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _opened(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                if not stat.S_ISREG(os.lstat(self._path).st_mode):
                    raise StoreError("it is a link or no plain file")
        except OSError as error:
            raise StoreError(error.strerror or str(error)) from error
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._inode = os.stat(self._path).st_ino
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for pragma in ("trusted_schema=OFF", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StoreError("a newer version of sdlab wrote it")
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("SELECT server, run, number, told FROM runs LIMIT 1").fetchone()

    def _put_aside(self, error: Exception) -> None:
        """Keep a damaged file under another name."""
        self._pass_over(f"The list of the runs that waited is damaged and was put aside: {error}")
        with suppress(OSError):
            self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))
        for end in ("-wal", "-shm"):
            with suppress(OSError):
                self._path.with_name(self._path.name + end).unlink()

    def _pass_over(self, said: str) -> None:
        log.warning("%s: %s", self._path, said)
        self.unreadable.append(brief(said))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Return whether the file itself is at fault, not the disk or another program."""
    if not isinstance(error, sqlite3.OperationalError):
        return True
    return "no such column" in str(error) or "may not be" in str(error)  # somebody else's table


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _refusal(error) from error


def _refusal(error: sqlite3.Error) -> StoreError:
    return StoreError(str(error))
