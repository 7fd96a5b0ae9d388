"""Free SQL over the stored runs, for anybody to type: it can read them and do nothing else.

Each query is read and answered by a process of its own (``sdlab.runs.sql_process``), whose DuckDB
holds copies of the tables that the query names and is shut before the query is run. The process
ends, or is ended, when its time or memory is up: some functions of DuckDB cannot be interrupted,
and what is nested too deep ends the process that parses it.
"""

import io
import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import SdlabError
from sdlab.experiment.spec import check_text
from sdlab.runs.index import RunIndex, frame_of, index_of
from sdlab.runs.search import Search

if TYPE_CHECKING:
    import pandas as pd

SECONDS = 10.0
ROWS = 10_000
MEMORY_MIB = 512
MOST_RUNS = 2000
"""Runs of which a query can read the tables of steps and so on: the newest."""
MOST_LETTERS = 100_000
MOST_BYTES = 2**26
"""Of what is found, in memory."""
START_SECONDS = 60.0
"""That a process may take to start, on however busy a machine."""
_MUCH = (
    "The query needs more than the {memory} MiB of memory that it may take. Ask for less: fewer"
    " columns, or rows reduced by GROUP BY."
)
_LARGE = (
    "What the query finds has more than {most} MiB. Ask for less: LIMIT, fewer columns, or the"
    " beginning of long texts, such as left(prompt, 80)."
)
_ENDED = (
    "The query ended the process that ran it (signal {signal}); it may be nested too deep. Write it"
    " more simply."
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
        rows: The most that are returned; ``frame.attrs["cut"]`` says whether there are more, and
            ``frame.attrs["left_out"]`` lists the files of tables that could not be read.
        memory: MiB that it may take.
        reading: Seconds in which run folders that are new are read before; the rest is not found.

    Raises:
        ValueError: If it is no SQL, not one SELECT, asks for what is shut, or has a column of a
            type that no table holds.
        SdlabError: If it takes longer or more memory than allowed, or finds too much.
    """
    _check(sql)
    index = index_of(root)
    index.refresh(reading)
    asked = {
        "sql": sql,
        "seconds": seconds,
        "rows": rows,
        "memory": memory,
        "bytes": MOST_BYTES,
        "newest": index.find(Search(), MOST_RUNS)["path"].tolist(),
    }
    answer, out = _ask(asked, index)
    if "refused" in answer:
        raise ValueError(answer["refused"])
    if "memory" in answer:
        raise SdlabError(_MUCH.format(memory=memory))
    if "large" in answer:
        raise SdlabError(_LARGE.format(most=MOST_BYTES // 2**20))
    frame = _frame(out)
    frame.attrs |= {"cut": answer["cut"], "left_out": answer["left_out"]}
    return frame


def left_out(found: "pd.DataFrame") -> str:
    """Return in a sentence which files a query did not read, as they are damaged; "" for none."""
    paths = found.attrs["left_out"]
    some = f"{', '.join(paths[:3])}{', …' if len(paths) > 3 else ''}"
    return f"{len(paths):,} damaged tables are left out: {some}" if paths else ""


def _check(sql: str) -> None:
    check_text("SQL", sql)
    if len(sql) > MOST_LETTERS:
        raise ValueError(f"SQL must be at most {MOST_LETTERS:,} letters, got {len(sql):,}.")


def _frame(out: io.BytesIO) -> "pd.DataFrame":
    import pyarrow

    with pyarrow.ipc.open_stream(out) as stream:
        found = stream.read_all()
    try:
        return frame_of(found)
    except (pyarrow.ArrowException, ValueError) as error:
        reason = str(error).rstrip(".")
        raise ValueError(
            f"What the query finds fits into no table: {reason}. Ask for the column as text:"
            " x::VARCHAR."
        ) from None


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
    if done.returncode == -getattr(signal, "SIGSEGV", 0):
        raise SdlabError(_ENDED.format(signal=-done.returncode))
    if done.returncode < 0:
        raise SdlabError(_MUCH.format(memory=asked["memory"]))
    if done.returncode:
        raise SdlabError(f"The query's process failed: {done.stderr.decode()[-500:]}")
    out = io.BytesIO(done.stdout)
    return json.loads(out.readline()), out
