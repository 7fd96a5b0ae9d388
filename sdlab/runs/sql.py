"""Free SQL over the stored runs, for anybody to type: it can read them and do nothing else.

Each query is answered by a process of its own (``sdlab.runs.sql_process``), whose DuckDB holds
copies of the tables that the query names and is shut before the query is run. The process ends, or
is ended, when its time or memory is up: some functions of DuckDB cannot be interrupted.
"""

import io
import json
import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.columns import OPTIONAL_TABLES, TABLES
from sdlab.errors import SdlabError, shown
from sdlab.runs.index import RunIndex, frame_of, index_of
from sdlab.runs.run_folder import table_file
from sdlab.runs.search import Search

if TYPE_CHECKING:
    import pandas as pd

SECONDS = 10.0
ROWS = 10_000
MEMORY_MIB = 512
MOST_RUNS = 2000
"""Runs of which a query can read the tables of steps and so on: the newest."""
OF_RUNS = (*TABLES, *OPTIONAL_TABLES)
START_SECONDS = 60.0
"""That a process may take to start, on however busy a machine."""
_MUCH = (
    "The query needs more than the {memory} MiB of memory that it may take. Ask for less: fewer"
    " columns, or rows reduced by GROUP BY."
)
_LONG = (
    "The query was given up after {seconds:g} s. Ask for less: fewer tables joined, or a WHERE that"
    " leaves fewer rows."
)


def query_runs(
    sql: str,
    root: str | Path | None = None,
    *,
    seconds: float = SECONDS,
    rows: int = ROWS,
    memory: int = MEMORY_MIB,
    reading: float = math.inf,
) -> "pd.DataFrame":
    """Return what one SELECT of DuckDB's SQL finds in the stored runs.

    The table ``runs`` has a row for each run, with the columns of ``sdlab.columns.RUNS``. The
    tables ``steps``, ``channels``, ``tokens``, ``timings`` and ``attention`` hold those of the
    newest ``MOST_RUNS`` runs; their column ``run`` says whose a row is.

    Args:
        sql: The query.
        root: The folder of all runs; None for ``runs_root()``.
        seconds: After which it is given up.
        rows: The most that are returned; ``frame.attrs["cut"]`` says whether there are more.
        memory: MiB that it may take.
        reading: Seconds in which run folders that are new are read before; the rest is not found.

    Raises:
        ValueError: If it is no SQL, not one SELECT, or asks for what is shut.
        SdlabError: If it takes longer or more memory than allowed.
    """
    names = _named(sql)
    index = index_of(root)
    index.refresh(reading)
    wanted = sorted(names & set(OF_RUNS))
    newest = [Path(path) for path in index.find(Search(), MOST_RUNS)["path"]] if wanted else []
    asked = {
        "sql": sql,
        "seconds": seconds,
        "rows": rows,
        "memory": memory,
        "files": {name: _files(newest, name) for name in wanted},
    }
    answer, out = _ask(asked, index)
    if "wrong" in answer:
        raise ValueError(f"The query cannot be run: {answer['wrong']}")
    if "memory" in answer:
        raise SdlabError(_MUCH.format(memory=memory))
    import pyarrow

    with pyarrow.ipc.open_stream(out) as stream:
        frame = frame_of(stream.read_all())
    frame.attrs["cut"] = answer["cut"]
    return frame


def _named(sql: str) -> set[str]:
    """Return the tables that a query names; it is parsed, and nothing is looked up.

    Raises:
        ValueError: If it is not one SELECT.
    """
    import duckdb

    with duckdb.connect(":memory:") as database:
        try:
            kinds = [statement.type for statement in database.extract_statements(sql)]
            if kinds == [duckdb.StatementType.SELECT]:
                ((text,),) = database.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
                return set(_tables(json.loads(text)))
        except duckdb.Error as error:
            raise ValueError(f"The query cannot be run: {first_of(error)}") from None
    raise ValueError(
        "SQL must be one SELECT, such as SELECT solver, count(*) FROM runs GROUP BY solver;"
        f" got {shown(sql)}."
    )


def _tables(node: Any) -> Iterator[str]:
    """Yield the names of all tables in a query's syntax tree."""
    if isinstance(node, dict) and node.get("type") == "BASE_TABLE":
        yield str(node.get("table_name")).lower()
    parts = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for part in parts:
        yield from _tables(part)


def first_of(error: Exception) -> str:
    """Return the part of DuckDB's message that says what is wrong, without its drawings."""
    text = str(error).strip() or type(error).__name__
    return " ".join(text.split("\n\n")[0].split())


def _files(runs: list[Path], name: str) -> dict[str, list[str]]:
    """Return the Parquet files with one kind of table of runs, each with the runs it is read for.

    Raises:
        ValueError: If there is none.
    """
    found: dict[str, list[str]] = {}
    for folder in runs:
        path = table_file(folder, name)
        if path.is_file() and not path.is_symlink():
            found.setdefault(str(path), []).append(folder.name)
    if not found:
        raise ValueError(f"No stored run has a table {name!r}.")
    return found


def _ask(asked: dict[str, Any], index: RunIndex) -> tuple[dict[str, Any], io.BytesIO]:
    """Return what the process says, and the table that follows.

    Raises:
        SdlabError: If it had to be ended.
    """
    import pyarrow

    table, given = index.table(), io.BytesIO()
    given.write(json.dumps(asked).encode() + b"\n")
    with pyarrow.ipc.new_stream(given, table.schema) as stream:
        stream.write_table(table)
    command = [sys.executable, "-m", "sdlab.runs.sql_process"]
    limit = asked["seconds"] + START_SECONDS
    place = Path(__file__).parents[2]  # where ``sdlab`` is, installed or not
    try:
        done = subprocess.run(
            command, input=given.getvalue(), capture_output=True, timeout=limit, cwd=place
        )
    except subprocess.TimeoutExpired:
        raise SdlabError(_LONG.format(seconds=limit)) from None
    if done.returncode == -getattr(signal, "SIGALRM", 0):
        raise SdlabError(_LONG.format(seconds=asked["seconds"]))
    if done.returncode < 0:
        raise SdlabError(_MUCH.format(memory=asked["memory"]))
    if done.returncode:
        raise SdlabError(f"The query's process failed: {done.stderr.decode()[-500:]}")
    out = io.BytesIO(done.stdout)
    return json.loads(out.readline()), out
