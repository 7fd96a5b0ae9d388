"""Which stored runs are parts of which stored comparison, or cells of which sweep."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from sdlab.errors import StoreError
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.half_reference import half_reference
from sdlab.runs import RUN_ID
from sdlab.runs.reading import read_json_manifest
from sdlab.runs.run_folder import read_manifest
from sdlab.runs.sweep_parts import cells, is_sweep, sweep_title

COMPARISONS = ".comparisons"
"""Folder of the comparisons' results, in the folder of all runs."""
COMPARISON_FORMAT = 1
COMPARISON_LIMIT = 16 * 2**20
MOST_NAMED = 4


def parts(root: Path) -> dict[str, str]:
    """Return the comparison, else the sweep, that each run is a part of, by the run's id.

    Its references are parts too, and their runs at half the steps.
    Of several it is the one whose result was written first. What is damaged has no parts here; its
    own page says what is wrong with it.
    """
    of = cells(root)
    if os.path.islink(root / COMPARISONS):
        return of
    try:
        with os.scandir(root / COMPARISONS) as entries:
            found = [(e.stat().st_mtime_ns, e.name) for e in entries if RUN_ID.fullmatch(e.name)]
    except OSError:
        return of
    for age, name in sorted(found, reverse=True):
        of |= dict.fromkeys(_runs(root / COMPARISONS / name, age), name)
    return of


def kind_of(root: Path, name: str) -> str:
    """Return "sweep" if an id is a stored sweep's and no comparison's, else "comparison"."""
    compared = (root / COMPARISONS / name).is_dir()
    return "sweep" if not compared and is_sweep(root, name) else "comparison"


def title(root: Path, comparison: str) -> str:
    """Return what was compared, in short: the samplers and the first prompt; its id if damaged.

    Of a sweep's id it is what it varies.
    """
    if kind_of(root, comparison) == "sweep":
        return sweep_title(root, comparison)
    folder = root / COMPARISONS / comparison
    try:
        return _title(folder, folder.stat().st_mtime_ns)
    except OSError:
        return comparison


@lru_cache(maxsize=10_000)
def _title(folder: Path, age: int) -> str:
    try:
        spec = _manifest(folder)["comparison"]
        solvers = list(dict.fromkeys(str(entrant["solver"]) for entrant in spec["entrants"]))
        more = ", …" if len(solvers) > MOST_NAMED else ""
        return f"{', '.join(solvers[:MOST_NAMED])}{more}: {str(spec['prompts'][0])[:60]}"
    except (StoreError, KeyError, IndexError, TypeError):
        return folder.name


@lru_cache(maxsize=10_000)
def _runs(folder: Path, age: int) -> tuple[str, ...]:
    """Return the runs of one comparison; ``age`` is the folder's, so that a new one is read."""
    try:
        manifest = _manifest(folder)
        runs = manifest.get("runs")
    except StoreError:
        return ()
    known = list(filter(_is_id, runs)) if isinstance(runs, list) else []
    root = folder.parent.parent
    return (*known, *_half_references(root, known, manifest))


def _half_references(root: Path, runs: list[str], manifest: dict[str, Any]) -> Iterator[str]:
    """Yield the ids of the runs at half the references' steps; the references come first."""
    try:
        spec = manifest["comparison"]
        steps, pictures = spec["reference_steps"], len(spec["prompts"]) * len(spec["seeds"])
    except (KeyError, TypeError):
        return
    for run in runs[:pictures]:
        try:
            made = Experiment.from_dict(read_manifest(root / run)["experiment"])
        except (StoreError, KeyError, TypeError, ValueError):
            continue
        if (made.solver, made.num_steps) == ("heun", steps):
            yield half_reference(made).id


def _manifest(folder: Path) -> dict[str, Any]:
    return read_json_manifest(folder, "comparison", COMPARISON_FORMAT, COMPARISON_LIMIT)


def _is_id(run: object) -> bool:
    return isinstance(run, str) and bool(RUN_ID.fullmatch(run))
