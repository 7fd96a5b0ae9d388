"""A table of all stored runs that is found at once, however many there are.

What it says comes from the run folders alone. A folder is read when it is new or its age has
changed. What was read is kept in memory, in DuckDB, and in one Parquet file, ``CACHE``, from which
the next process starts. That file may be deleted at any time; one that is damaged or of another
version is passed over. Several processes may write it: each replaces it whole.
"""

import logging
import math
import os
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.columns import RUNS
from sdlab.errors import StoreError
from sdlab.runs import RUN_ID, owners, runs_root
from sdlab.runs.atomic import write_file
from sdlab.runs.expansion import check_expansion
from sdlab.runs.folding import PARTS, UNDER, folded_count_sql, folded_sql
from sdlab.runs.leavings import recover_all, sweep
from sdlab.runs.parts import COMPARISONS, parts
from sdlab.runs.reading import check_folder, check_plain
from sdlab.runs.row import read_row
from sdlab.runs.search import ALL, Search
from sdlab.runs.sweep_parts import SWEEPS

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow

log = logging.getLogger(__name__)

CACHE = Path(".cache") / "runs-1.parquet"
"""In the folder of all runs; the number changes with what a row says."""
BATCH = 128
BEHIND = 50
"""The cache is written anew when so many folders were read that it lacks."""
OFTEN = 5000
"""And so often while many are being read."""
KEPT = 256
"""Short answers that are kept."""
SETTLED_NS = 2 * 10**9
"""What changed so shortly before a look may change again without its age showing it."""
_KINDS = {
    "created": "timestamp[us]",
    "seed": "uint64",
    **dict.fromkeys(("num_steps", "width", "height", "nfe"), "int32"),
    **dict.fromkeys(("bytes", "age"), "int64"),
    **dict.fromkeys(("guidance_scale", "eta", "seconds"), "float64"),
    **dict.fromkeys(("shared", "fast", "attention", "star"), "bool"),
}
_FOUND_ELSEWHERE = ("comparison", "owner", "path")
_MARKED = "(coalesce(star, false) OR tags <> '')"
_STORED = (*(name for name in RUNS if name not in _FOUND_ELSEWHERE), "age")


class Totals(NamedTuple):
    """What a search finds, in numbers.

    Attributes:
        runs: How many.
        bytes: The size of their files.
    """

    runs: int
    bytes: int


_MAKING = threading.Lock()


@lru_cache(maxsize=8)
def _index(root: Path) -> "RunIndex":
    return RunIndex(root)


def index_of(root: str | Path | None = None) -> "RunIndex":
    """Return this process's table of a store, as it was at its last ``refresh``.

    Args:
        root: The folder of all runs; None for ``runs_root()``.
    """
    with _MAKING:
        return _index(Path(runs_root() if root is None else root).expanduser().absolute())


class RunIndex:
    """The table of one store; any thread may call.

    Args:
        root: The folder of all runs.
    """

    def __init__(self, root: Path) -> None:
        import duckdb

        self.root = root
        self._lock = threading.Lock()
        self._known: dict[str, int] = {}
        self._left: dict[str, int] = {}
        self._ages: tuple[int, ...] = ()
        self._unsaved = 0
        self._version = 0
        self._answers: dict[tuple[Any, ...], list[Any]] = {}
        self._database = duckdb.connect(":memory:", config={"threads": 2})
        self._make("stored", self._cached())
        self._make("parts", _pairs_table("comparison", {}))
        self._make("owners", _pairs_table("owner", {}))
        self._database.execute(_view(root))
        self._known = dict(self._database.execute("SELECT run, age FROM stored").fetchall())

    def refresh(self, seconds: float = math.inf) -> int:
        """Take up what has changed in the store; return how many folders are still to be read.

        Args:
            seconds: Of reading, after which it stops; the next call goes on with what is left.
                The newest folders are read first.
        """
        with self._lock:
            self._look()
            end = time.monotonic() + seconds
            while self._left and time.monotonic() < end:
                self._read(list(islice(self._left, BATCH)))
            if self._unsaved >= (OFTEN if self._left else BEHIND):
                self._save()
            return len(self._left)

    @property
    def unread(self) -> int:
        """How many folders the last ``refresh`` left to be read."""
        return len(self._left)

    def find(self, search: Search, limit: int | None = None, offset: int = 0) -> "pd.DataFrame":
        """Return the rows that a search finds, in its order; columns as ``sdlab.columns.RUNS``.

        Args:
            search: What is looked for.
            limit: The most rows; None for all.
            offset: Rows that are passed over.
        """
        where, values = search.where
        most = "" if limit is None else f"LIMIT {int(limit)} OFFSET {int(offset)}"
        sql = f"SELECT * FROM runs WHERE {where} ORDER BY {search.by} {most}"
        return frame_of(self._ask(sql, values).to_arrow_table())

    def folded(
        self,
        search: Search,
        opened: Collection[str] = (),
        limit: int | None = None,
        offset: int = 0,
    ) -> "pd.DataFrame":
        """Return what a search finds, the parts of each comparison in one row; see ``folding``.

        Args:
            search: What is looked for.
            opened: Comparisons whose parts are shown below their rows.
            limit: The most rows; None for all.
            offset: Rows that are passed over.

        Returns:
            A table with the columns of ``sdlab.columns.RUNS``, ``parts`` and ``under``. Of a
            comparison's row they are those of its first part.
        """
        if not self.parts(search)[0]:
            return self.find(search, limit, offset).assign(**{PARTS: 0, UNDER: False})
        sql, values = folded_sql(search, opened, limit, offset)
        return frame_of(self._ask(sql, values).to_arrow_table())

    def folded_rows(self, search: Search, opened: Collection[str] = ()) -> int:
        """Return how many rows ``folded`` finds."""
        return int(self._told(*folded_count_sql(search, opened))[0][0])

    def totals(self, search: Search) -> Totals:
        """Return how many runs a search finds, and their size."""
        where, values = search.where
        sql = f"SELECT count(*), coalesce(sum(bytes), 0)::BIGINT FROM runs WHERE {where}"
        return Totals(*self._told(sql, values)[0])

    def parts(self, search: Search) -> tuple[int, int]:
        """Return how many runs a search finds that are parts of comparisons, and of how many.

        Args:
            search: What is looked for; its ``comparison`` does not count.
        """
        where, values = replace(search, comparison=ALL).where
        sql = f"SELECT count(*), count(DISTINCT comparison) FROM runs WHERE {where}"
        found = self._told(f"{sql} AND comparison <> ''", values)[0]
        return int(found[0]), int(found[1])

    def values(self, column: str) -> dict[str, int]:
        """Return the values of a column of whole runs and how often each occurs, most often first.

        Args:
            column: "tags" or "owner", of which each counts; "solver", "model" or any other of text.
        """
        of = f'"{Search(order=column).order}"'
        of = f"unnest(string_split({of}, ', '))" if column in ("tags", "owner") else of
        sql = (
            f"SELECT value, count(*) AS count FROM (SELECT {of} AS value FROM runs"
            " WHERE problem = '') WHERE value <> '' GROUP BY value ORDER BY count DESC, value"
        )
        return dict(self._told(sql))

    def table(self) -> "pyarrow.Table":
        """Return all rows, for further queries."""
        return self._ask("SELECT * FROM runs").to_arrow_table()

    def kept(self) -> "pd.DataFrame":
        """Return of each whole run its id, time, bytes and owner, and whether it is marked."""
        sql = f"SELECT run, created, bytes, owner, {_MARKED} AS kept FROM runs WHERE problem = ''"
        return frame_of(self._ask(sql).to_arrow_table())

    def marked_bytes(self, owner: str) -> int:
        """Return the size of what somebody owns that has a star or a tag."""
        sql = (
            f"SELECT coalesce(sum(bytes), 0)::BIGINT FROM runs WHERE {_MARKED}"
            " AND list_contains(string_split(owner, ', '), ?)"
        )
        return int(self._told(sql, [owner])[0][0])

    def _told(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return a short answer; it is kept until anything changes."""
        asked = (self._version, sql, repr(values))
        found = self._answers.get(asked)
        if found is None:
            if len(self._answers) >= KEPT:
                self._answers.clear()
            # under the version before the query: what it sees of a later one is asked for anew
            found = self._answers[asked] = self._ask(sql, values).fetchall()
        return found

    def _ask(self, sql: str, values: Iterable[Any] = ()) -> "duckdb.DuckDBPyRelation":
        return self._database.cursor().sql(sql, params=list(values))

    def _look(self) -> None:
        """Find out which folders are new, changed or gone."""
        folders = (self.root, self.root / COMPARISONS, self.root / SWEEPS)
        ages = (*map(_age, folders), owners.age_of(self.root))
        if ages == self._ages:
            return
        settled = time.time_ns() - max(ages) > SETTLED_NS
        self._ages = ages if settled else ()
        seen = _scan(self.root)
        self._drop(self._known.keys() - seen.keys())
        new = [(age, run) for run, age in seen.items() if self._known.get(run) != age]
        self._left = {run: age for age, run in sorted(new, reverse=True)}
        self._make("parts", _pairs_table("comparison", parts(self.root)))
        self._make("owners", _pairs_table("owner", _owners(self.root)))

    def _read(self, runs: list[str]) -> None:
        rows = [read_row(self.root / run) | {"age": self._left.pop(run)} for run in runs]
        self._drop(self._known.keys() & set(runs))
        with self._database.cursor() as cursor:
            cursor.register("batch", _table(rows))
            cursor.execute("INSERT INTO stored SELECT * FROM batch")
        self._known |= {row["run"]: row["age"] for row in rows}
        self._unsaved += len(rows)
        self._version += 1

    def _drop(self, runs: Iterable[str]) -> None:
        names = list(runs)
        if not names:
            return
        sql = "DELETE FROM stored WHERE run IN (SELECT unnest(?::VARCHAR[]))"
        self._database.cursor().execute(sql, [names])
        for name in names:
            del self._known[name]
        self._version += 1

    def _make(self, name: str, table: "pyarrow.Table") -> None:
        with self._database.cursor() as cursor:
            cursor.register("batch", table)
            cursor.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM batch")
        self._version += 1

    def _cached(self) -> "pyarrow.Table":
        """Return the rows of the cache; none if there is none that can be read."""
        import pyarrow
        from pyarrow import parquet

        path = self.root / CACHE
        try:
            check_folder(path.parent)
            check_plain(path)
            check_expansion(path)
            table = parquet.read_table(path)
            if table.schema.equals(_schema()):
                return table
        except (OSError, StoreError, pyarrow.ArrowException) as error:
            log.debug("no cache of runs: %s", error)
        return _table([])

    def _save(self) -> None:
        """Write the cache; damaged folders are not in it, so that each process looks at them."""
        from pyarrow import parquet

        self._unsaved = 0
        sql = "SELECT * FROM stored WHERE problem = ''"
        table = self._ask(sql).to_arrow_table().cast(_schema())
        try:
            path = check_folder((self.root / CACHE).parent) / CACHE.name
            write_file(path, lambda stream: parquet.write_table(table, stream, compression="zstd"))
        except StoreError as error:
            log.warning("the cache of runs is not kept: %s", error)


def frame_of(table: "pyarrow.Table") -> "pd.DataFrame":
    """Return a table of DuckDB as a pandas one, whole numbers whole and times in UTC."""
    import pandas as pd
    import pyarrow

    kinds = {
        pyarrow.bool_(): pd.BooleanDtype(),
        pyarrow.uint64(): pd.UInt64Dtype(),
        pyarrow.int64(): pd.Int64Dtype(),
        pyarrow.int32(): pd.Int64Dtype(),
    }
    frame: pd.DataFrame = table.to_pandas(types_mapper=kinds.get)
    if "created" in frame and frame["created"].dtype.kind == "M":
        frame["created"] = frame["created"].dt.tz_localize("UTC")
    return frame


@cache
def _schema() -> "pyarrow.Schema":
    import pyarrow

    kinds = {name: pyarrow.type_for_alias(_KINDS.get(name, "string")) for name in _STORED}
    return pyarrow.schema(list(kinds.items()))


def _table(rows: Iterable[Mapping[str, Any]]) -> "pyarrow.Table":
    import pyarrow

    return pyarrow.Table.from_pylist([dict(row) for row in rows], schema=_schema())


def _pairs_table(column: str, of: Mapping[str, str]) -> "pyarrow.Table":
    """Return a table of what is known of runs elsewhere than in their folders."""
    import pyarrow

    text = pyarrow.string()
    columns = {"run": list(of), column: list(of.values())}
    return pyarrow.table(columns, schema=pyarrow.schema([("run", text), (column, text)]))


def _owners(root: Path) -> dict[str, str]:
    """Return the owners of runs as one text each; none if their table is damaged, which is said."""
    try:
        return {run: ", ".join(of) for run, of in owners.all_owners(root, "run").items()}
    except StoreError as error:
        log.warning("%s", error)
        return {}


def _view(root: Path) -> str:
    """Return the SQL that makes of what is stored the table that is shown."""
    place = f"{root}{os.sep}".replace("'", "''")
    made = {
        "comparison": "coalesce(parts.comparison, '')",
        "owner": "coalesce(owners.owner, '')",
        "path": f"'{place}' || stored.run",
    }
    columns = ", ".join(f"{made.get(name, f'stored.{name}')} AS {name}" for name in RUNS)
    joined = "stored LEFT JOIN parts USING (run) LEFT JOIN owners USING (run)"
    return f"CREATE VIEW runs AS SELECT {columns} FROM {joined}"


def _age(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _scan(root: Path) -> dict[str, int]:
    """Return the age of every run folder by its id; mends what a crash left."""
    found: dict[str, int] = {}
    left = set()
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if entry.name.endswith((".old", ".new")):
                    left.add(entry.name[-3:])
                if RUN_ID.fullmatch(entry.name):
                    found[entry.name] = _changed(entry)
    except OSError:
        return {}
    if left:
        sweep(root)
    if "old" not in left:
        return found
    recover_all(root)
    ids = [path for path in root.iterdir() if RUN_ID.fullmatch(path.name)]
    return {path.name: _age(path) for path in ids}


def _changed(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns
    except OSError:
        return 0
