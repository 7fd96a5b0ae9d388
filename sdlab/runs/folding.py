"""The list of runs in which the parts of a comparison are one row, opened where asked for.

A comparison stands where the first of its found parts would stand in the list's order; its parts,
where they are shown, stand right below it, in that order.
"""

from collections.abc import Collection
from typing import Any

from sdlab.runs.search import Search

PARTS, UNDER = "parts", "under"
"""Columns beside those of runs: how many runs a row stands for, 0 for a run; whether it is shown
below its comparison."""


def folded_sql(
    search: Search, opened: Collection[str], limit: int | None, offset: int
) -> tuple[str, list[Any]]:
    """Return the query for the rows of a list, and its values.

    Args:
        search: What is looked for.
        opened: Comparisons whose parts are shown.
        limit: The most rows; None for all.
        offset: Rows that are passed over.
    """
    where, values = search.where
    most = "" if limit is None else f"LIMIT {int(limit)} OFFSET {int(offset)}"
    sql = f"""
        WITH found AS (
            SELECT run, comparison, row_number() OVER (ORDER BY {search.by}) AS place
            FROM runs WHERE {where}
        ), folds AS (
            SELECT comparison, min(place) AS head, arg_min(run, place) AS run, count(*) AS parts
            FROM found WHERE comparison <> '' GROUP BY comparison
        ), listed AS (
            SELECT run, place AS head, 0 AS nth, 0 AS parts, false AS under
            FROM found WHERE comparison = ''
            UNION ALL SELECT run, head, 0, parts, false FROM folds
            UNION ALL SELECT found.run, head, place, 0, true
            FROM found JOIN folds USING (comparison)
            WHERE list_contains(?::VARCHAR[], comparison)
        ), shown AS (SELECT * FROM listed ORDER BY head, nth {most})
        SELECT runs.*, shown.{PARTS}::INTEGER AS {PARTS}, shown.{UNDER}
        FROM shown JOIN runs USING (run) ORDER BY head, nth
    """
    return sql, [*values, list(opened)]


def folded_count_sql(search: Search, opened: Collection[str]) -> tuple[str, list[Any]]:
    """Return the query for how many rows ``folded_sql`` finds, and its values."""
    where, values = search.where
    sql = f"""
        SELECT count(*) FILTER (comparison = '')
            + count(DISTINCT comparison) FILTER (comparison <> '')
            + count(*) FILTER (list_contains(?::VARCHAR[], comparison) AND comparison <> '')
        FROM runs WHERE {where}
    """
    return sql, [list(opened), *values]
