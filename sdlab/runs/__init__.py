"""Runs: what a run is, and how its folder is found, written, read, listed and exported."""

import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sdlab.errors import StoreError, shown
from sdlab.submodules import on_first_use

if TYPE_CHECKING:
    import pandas as pd

__getattr__ = on_first_use(__name__)

RUN_ID = re.compile(r"[0-9a-f]{16}")
ROOT_VARIABLE = "SDLAB_RUNS"
TRASH = ".trash"
"""Folder of the deleted runs, in the folder of all runs."""


def runs_root() -> Path:
    """Return the folder of all runs: the environment's ``SDLAB_RUNS``, or ``runs``."""
    return Path(os.environ.get(ROOT_VARIABLE) or "runs").expanduser()


def run_path(root: str | Path, run: str) -> Path:
    """Return the folder of a run by its id, whether it exists or not.

    Raises:
        StoreError: If the id is not 16 digits of 0-9 and a-f; so no id can name another place.
    """
    if not RUN_ID.fullmatch(run):
        raise StoreError(f"{shown(run)} is no run id: 16 digits of 0-9 and a-f are expected.")
    return Path(root) / run


def find_run(root: str | Path, run: str) -> Path:
    """Return the folder of a stored run by its id or the beginning of it, four digits or more.

    Raises:
        StoreError: If no run or several runs begin so.
    """
    if not re.fullmatch(r"[0-9a-f]{4,16}", run):
        raise StoreError(f"{shown(run)} is no run id: 4 to 16 digits of 0-9 and a-f are expected.")
    from sdlab.runs.leavings import recover_all

    folder = Path(root)
    recover_all(folder)
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    found = sorted(name for name in names if RUN_ID.fullmatch(name) and name.startswith(run))
    if len(found) == 1:
        return folder / found[0]
    if found:
        raise StoreError(f"Several runs begin with {run!r}: {', '.join(found[:5])}; add digits.")
    raise StoreError(f"No run in {folder} begins with {run!r}; `sdlab runs` lists them.")


class _Runs(ModuleType):
    """This package as a function, too: ``sdlab.runs(solver="heun")``."""

    def __call__(self, root: str | Path | None = None, **search: Any) -> "pd.DataFrame":
        """Return the table of stored runs; as ``sdlab.runs.listing.list_runs``, which see."""
        from sdlab.runs.listing import list_runs

        return list_runs(root, **search)


sys.modules[__name__].__class__ = _Runs
