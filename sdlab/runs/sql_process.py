"""Answers one query and ends; started by ``sdlab.runs.sql``, which see.

Before the query is run DuckDB is shut: no files, no network, no extensions, no Python variables,
and no way to change that. The system ends the process when its time is up.

In: a line of JSON (sql, seconds, rows, memory, files), then ``runs`` as an Arrow stream.
Out: a line of JSON, either "wrong", "memory" or "cut"; after the last, an Arrow stream.
"""

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

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
ROOM = 4
"""How often the memory limit the process may grow: DuckDB does not count all that it takes."""


def main() -> None:
    """Answer the query that stands on stdin."""
    import duckdb
    import pyarrow

    asked = json.loads(sys.stdin.buffer.readline())
    given = pyarrow.ipc.open_stream(sys.stdin.buffer).read_all()
    config: dict[str, Any] = {"threads": 2, "memory_limit": f"{asked['memory']}MiB"}
    try:
        with duckdb.connect(":memory:", config=config) as database:
            _fill(database, given, asked["files"])
            for shut in SHUT:
                database.execute(shut)
            _limit(asked["seconds"], asked["memory"])
            found, cut = _answer(database, asked["sql"], asked["rows"])
    except (duckdb.OutOfMemoryException, MemoryError, pyarrow.ArrowMemoryError):
        _say({"memory": True})
    except duckdb.Error as error:
        from sdlab.runs.sql import first_of

        _say({"wrong": first_of(error)})
    else:
        _say({"cut": cut})
        with pyarrow.ipc.new_stream(sys.stdout.buffer, found.schema) as stream:
            stream.write_table(found)


def _fill(
    database: "duckdb.DuckDBPyConnection",
    given: "pyarrow.Table",
    files: dict[str, dict[str, list[str]]],
) -> None:
    """Make the tables that the query may read; of a file those rows that are wanted of it."""
    import pyarrow

    database.register("given", given)
    database.execute("CREATE TABLE runs AS SELECT * FROM given")
    database.unregister("given")
    for name, wanted in files.items():
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
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _answer(
    database: "duckdb.DuckDBPyConnection", sql: str, rows: int
) -> tuple["pyarrow.Table", bool]:
    """Return the first rows of what a query finds, and whether there are more."""
    import pyarrow

    reader: Any = database.sql(sql).to_arrow_reader(rows + 1)
    batches, count = [], 0
    for batch in reader:
        batches.append(batch)
        count += batch.num_rows
        if count > rows:
            break
    return pyarrow.Table.from_batches(batches, reader.schema).slice(0, rows), count > rows


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
