"""Which tables a query of ``sdlab.runs.sql`` names, and the files in which they lie."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.columns import OPTIONAL_TABLES, TABLES
from sdlab.errors import shown
from sdlab.runs.run_folder import table_file

if TYPE_CHECKING:
    import duckdb

OF_RUNS = (*TABLES, *OPTIONAL_TABLES)


def named(database: "duckdb.DuckDBPyConnection", sql: str) -> list[str]:
    """Return those of ``OF_RUNS`` that a query names; it is parsed, and nothing is looked up.

    Raises:
        ValueError: If it is not one SELECT, or nested too deep.
    """
    import duckdb

    try:
        kinds = [statement.type for statement in database.extract_statements(sql)]
        if kinds == [duckdb.StatementType.SELECT]:
            ((text,),) = database.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
            return sorted(set(_tables(json.loads(text))) & set(OF_RUNS))
    except duckdb.Error as error:
        raise ValueError(f"The query cannot be run: {first_of(error)}") from None
    except RecursionError:
        raise ValueError("The query cannot be run: it is nested too deep.") from None
    raise ValueError(
        "SQL must be one SELECT, such as SELECT solver, count(*) FROM runs GROUP BY solver;"
        f" got {shown(sql)}."
    )


def _tables(tree: Any) -> Iterator[str]:
    """Yield the names of all tables in a query's syntax tree."""
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                yield str(node.get("table_name")).lower()
            left += node.values()
        elif isinstance(node, list):
            left += node


def first_of(error: Exception) -> str:
    """Return the part of DuckDB's message that says what is wrong, without its drawings."""
    text = str(error).strip() or type(error).__name__
    return " ".join(text.split("\n\n")[0].split())


def files_of(runs: Iterable[Path], name: str) -> dict[str, list[str]]:
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
