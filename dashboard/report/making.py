"""Finds what an id is of, and returns its report."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.report import MOST_RUNS
from dashboard.report.html import html_of
from dashboard.report.of_comparison import comparison_report
from dashboard.report.of_run import run_report
from dashboard.report.of_runs import runs_report
from dashboard.report.of_sweep import grid_report, sweep_report
from dashboard.report.parts import Report
from sdlab.errors import StoreError
from sdlab.runs import RUN_ID
from sdlab.runs.grids import FOLDER as GRIDS
from sdlab.runs.grids import open_grid
from sdlab.runs.parts import COMPARISONS
from sdlab.runs.run_folder import open_run
from sdlab.runs.tables import chosen_runs
from sdlab.sweeping.sweep_folder import FOLDER as SWEEPS

if TYPE_CHECKING:
    from sdlab.models.model import Model

_PLACES = {"run": "", "comparison": COMPARISONS, "sweep": SWEEPS, "grid": GRIDS}
_BEGINNING = re.compile(r"[0-9a-f]{4,16}")


def report(root: Path, ids: Sequence[str], model: "Model | None" = None, script: str = "") -> bytes:
    """Return the report of what is stored under ids, as an HTML file.

    Args:
        root: The folder of all runs.
        ids: Of one run, comparison, sweep or grid; or of several runs. Each may be how it begins.
        model: For one run, the model that made it: it decodes frames, and its script is added.
        script: For one run, that script, where the model is not at hand.

    Raises:
        ValueError: If there is no id, or there are too many.
        StoreError: If nothing is stored under one, it cannot be read, or of several one is no
            run's.
        SdlabError: If it would be too large.
    """
    return html_of(report_of(root, ids, model, script))


def report_of(
    root: Path, ids: Sequence[str], model: "Model | None" = None, script: str = ""
) -> Report:
    """Return what is in the report of ids; arguments and errors as of ``report``."""
    wanted = list(dict.fromkeys(ids))
    if not 1 <= len(wanted) <= MOST_RUNS:
        raise ValueError(f"A report is of 1 to {MOST_RUNS} ids, got {len(wanted)}.")
    if len(wanted) > 1:
        runs = chosen_runs(root, wanted)
        if len(runs) > 1:
            return runs_report(root, runs)
        wanted = runs["run"].tolist()
    kind, name = find(root, wanted[0])
    if kind == "comparison":
        return comparison_report(root, name)
    if kind == "sweep":
        return sweep_report(root, name)
    if kind == "grid" and (grid := open_grid(root, name)) is not None:
        return grid_report(root, grid)
    return run_report(root / name, model, script or _script(root / name, model))


def find(root: Path, wanted: str) -> tuple[str, str]:
    """Return what an id is of, "run", "comparison", "sweep" or "grid", and the whole id.

    A grid that was gone on with as a sweep is that sweep, under the same id.

    Args:
        root: The folder of all runs.
        wanted: The id, or how it begins: four digits or more.

    Raises:
        StoreError: If nothing, or more than one thing, is stored under it.
    """
    if not _BEGINNING.fullmatch(wanted):
        raise StoreError(f"{wanted!r:.60} is no id: 4 to 16 digits of 0-9 and a-f are expected.")
    found: list[tuple[str, str]] = []
    for kind, folder in _PLACES.items():
        names = {path.stem for path in (root / folder).glob(f"{wanted}*")}
        made = {name for of, name in found if of == "sweep"} if kind == "grid" else set()
        found += [(kind, name) for name in sorted(names - made) if RUN_ID.fullmatch(name)]
    if not found:
        raise StoreError(f"Nothing in {root} begins with {wanted!r}; `sdlab runs` lists runs.")
    if len(found) > 1:
        some = ", ".join(f"{kind} {name}" for kind, name in found[:5])
        raise StoreError(f"Several begin with {wanted!r}: {some}; add digits.")
    return found[0]


def _script(folder: Path, model: "Model | None") -> str:
    """Return a run as a script of diffusers alone; "" without its model, or if none can make it."""
    if model is None:
        return ""
    from sdlab.reproducing.script import diffusers_script

    with suppress(ValueError):
        return diffusers_script(model, open_run(folder).experiment)
    return ""
