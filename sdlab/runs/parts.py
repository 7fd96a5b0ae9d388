"""Which stored runs are parts of which stored comparison."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from sdlab.errors import StoreError
from sdlab.runs import RUN_ID
from sdlab.runs.reading import read_json_manifest

COMPARISONS = ".comparisons"
"""Folder of the comparisons' results, in the folder of all runs."""
COMPARISON_FORMAT = 1
COMPARISON_LIMIT = 16 * 2**20
MOST_NAMED = 4


def parts(root: Path) -> dict[str, str]:
    """Return the comparison that each run is a part of, by the run's id.

    Of several it is the one whose result was written first. What is damaged has no parts here; its
    own page says what is wrong with it.
    """
    try:
        with os.scandir(root / COMPARISONS) as entries:
            found = [(e.stat().st_mtime_ns, e.name) for e in entries if RUN_ID.fullmatch(e.name)]
    except OSError:
        return {}
    of: dict[str, str] = {}
    for age, name in sorted(found, reverse=True):
        of |= dict.fromkeys(_runs(root / COMPARISONS / name, age), name)
    return of


def title(root: Path, comparison: str) -> str:
    """Return what was compared, in short: the samplers and the first prompt; its id if damaged."""
    try:
        spec = _manifest(root / COMPARISONS / comparison)["comparison"]
        solvers = list(dict.fromkeys(str(entrant["solver"]) for entrant in spec["entrants"]))
        more = ", …" if len(solvers) > MOST_NAMED else ""
        return f"{', '.join(solvers[:MOST_NAMED])}{more}: {str(spec['prompts'][0])[:60]}"
    except (StoreError, KeyError, IndexError, TypeError):
        return comparison


@lru_cache(maxsize=10_000)
def _runs(folder: Path, age: int) -> tuple[str, ...]:
    """Return the runs of one comparison; ``age`` is the folder's, so that a new one is read."""
    try:
        runs = _manifest(folder).get("runs")
    except StoreError:
        return ()
    return tuple(filter(_is_id, runs)) if isinstance(runs, list) else ()


def _manifest(folder: Path) -> dict[str, Any]:
    return read_json_manifest(folder, "comparison", COMPARISON_FORMAT, COMPARISON_LIMIT)


def _is_id(run: object) -> bool:
    return isinstance(run, str) and bool(RUN_ID.fullmatch(run))
