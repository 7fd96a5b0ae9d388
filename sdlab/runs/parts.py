"""Which stored runs are parts of which stored comparison."""

import os
from functools import lru_cache
from pathlib import Path

from sdlab.errors import StoreError
from sdlab.runs import RUN_ID
from sdlab.runs.reading import read_json_manifest

COMPARISONS = ".comparisons"
"""Folder of the comparisons' results, in the folder of all runs."""
COMPARISON_FORMAT = 1
COMPARISON_LIMIT = 16 * 2**20


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


@lru_cache(maxsize=10_000)
def _runs(folder: Path, age: int) -> tuple[str, ...]:
    """Return the runs of one comparison; ``age`` is the folder's, so that a new one is read."""
    try:
        manifest = read_json_manifest(folder, "comparison", COMPARISON_FORMAT, COMPARISON_LIMIT)
    except StoreError:
        return ()
    runs = manifest.get("runs")
    return tuple(filter(_is_id, runs)) if isinstance(runs, list) else ()


def _is_id(run: object) -> bool:
    return isinstance(run, str) and bool(RUN_ID.fullmatch(run))
