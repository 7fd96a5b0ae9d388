"""Answers one query and ends; started by ``sdlab.runs.sql``, which see.

Before the query is run DuckDB is shut: no files, no network, no extensions, no Python variables,
and no way to change that. The system ends the process when its time is up.

In: a line of JSON (sql, seconds, rows, memory, bytes, newest), then ``runs`` as an Arrow stream.
Out: a line of JSON, either "refused", "memory", "large" or "cut"; after the last, an Arrow stream.
"""

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.runs.sql_tables import files_of, first_of, named

if TYPE_CHECKING:
    import duckdb
    import pyarrow

SHUT = (
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET temp_directory = ''",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
ROWS_AT_ONCE = 1000
ROOM = 4
"""How often the memory limit the process may grow: DuckDB does not count all that it takes."""


class _TooLarge(Exception):
    """What a query finds has more bytes than are sent back."""


def main() -> None:
    """Answer the query that stands on stdin."""
    import duckdb
    import pyarrow

    asked = json.loads(sys.stdin.buffer.readline())
    given = pyarrow.ipc.open_stream(sys.stdin.buffer).read_all()
    config: dict[str, Any] = {"threads": 2, "memory_limit": f"{asked['memory']}MiB"}
    try:
        with duckdb.connect(":memory:", config=config) as database:
            left_out = _fill(database, given, asked)
            for shut in SHUT:
                database.execute(shut)
            _limit(asked["seconds"], asked["memory"])
            found, cut = _answer(database, asked)
    except (duckdb.OutOfMemoryException, MemoryError, pyarrow.ArrowMemoryError):
        _say({"memory": True})
    except _TooLarge:
        _say({"large": True})
    except duckdb.Error as error:
        _say({"refused": f"The query cannot be run: {first_of(error)}"})
    except ValueError as error:
        _say({"refused": str(error)})
    else:
        _say({"cut": cut, "left_out": left_out})
        with pyarrow.ipc.new_stream(sys.stdout.buffer, found.schema) as stream:
            stream.write_table(found)


def _fill(
    database: "duckdb.DuckDBPyConnection", given: "pyarrow.Table", asked: dict[str, Any]
) -> list[str]:
    """Make the tables that the query names; return the files that could not be read."""
    _end_after(asked["seconds"])
    names = named(database, asked["sql"])
    _end_after(0)  # reading the store is not the query's doing
    database.register("given", given)
    database.execute("CREATE TABLE runs AS SELECT * FROM given")
    database.unregister("given")
    newest = [Path(path) for path in asked["newest"]] if names else []
    return [path for name in names for path in _make(database, name, files_of(newest, name))]


def _make(
    database: "duckdb.DuckDBPyConnection", name: str, wanted: dict[str, list[str]]
) -> list[str]:
    """Make one table of the rows that are wanted of files; return those that cannot be read."""
    import duckdb

    try:
        _read(database, name, wanted)
        return []
    except duckdb.Error:
        damaged = [path for path, runs in wanted.items() if not _can_read(database, path, runs)]
    whole = {path: runs for path, runs in wanted.items() if path not in damaged}
    if not whole:
        raise ValueError(f"No table {name!r} of a stored run can be read.")
    _read(database, name, whole)
    return damaged


def _can_read(database: "duckdb.DuckDBPyConnection", path: str, runs: list[str]) -> bool:
    import duckdb

    try:
        _read(database, "tried", {path: runs})
    except duckdb.Error:
        return False
    database.execute("DROP TABLE tried")
    return True


def _read(database: "duckdb.DuckDBPyConnection", name: str, wanted: dict[str, list[str]]) -> None:
    import pyarrow

    pairs = [(path, run) for path, runs in wanted.items() for run in runs]
    columns = dict(zip(("filename", "run"), map(list, zip(*pairs, strict=True)), strict=True))
    database.register("wanted", pyarrow.table(columns))
    database.execute(
        f"CREATE TABLE {name} AS SELECT * EXCLUDE (filename) FROM"
        " read_parquet(?, union_by_name = true, filename = true)"
        " SEMI JOIN wanted USING (filename, run)",
        [list(wanted)],
    )
    database.unregister("wanted")


def _limit(seconds: float, memory: int) -> None:
    """Have the system end this process in so many seconds, and refuse it more memory."""
    if sys.platform == "win32":
        return
    import resource

    import psutil

    most = psutil.Process().memory_info().vms + ROOM * memory * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    _end_after(seconds)


def _end_after(seconds: float) -> None:
    """Have the system end this process in so many seconds; never if 0."""
    if sys.platform != "win32":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _answer(
    database: "duckdb.DuckDBPyConnection", asked: dict[str, Any]
) -> tuple["pyarrow.Table", bool]:
    """Return the first rows of what a query finds, and whether there are more.

    Raises:
        _TooLarge: If these have more bytes than are sent back.
    """
    import pyarrow

    rows = asked["rows"]
    reader: Any = database.sql(asked["sql"]).to_arrow_reader(min(rows + 1, ROWS_AT_ONCE))
    batches, count, size = [], 0, 0
    for batch in reader:
        batches.append(batch)
        count, size = count + batch.num_rows, size + batch.nbytes
        if size > asked["bytes"]:
            raise _TooLarge
        if count > rows:
            break
    return pyarrow.Table.from_batches(batches, reader.schema).slice(0, rows), count > rows


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
