"""The notes of runs that servers up to version 0.7 left behind, read once.

They kept one small JSON file for each live run, in a folder named after the process, and moved it
to another when the run was interrupted.
"""

import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from sdlab.errors import brief
from sdlab.experiment.experiment import Experiment
from sdlab.runs.reading import read_file
from sdlab.runs.run_folder import MANIFEST_LIMIT

log = logging.getLogger(__name__)


def older_notes(root: Path) -> tuple[dict[Path, Experiment], list[str]]:
    """Return the interrupted runs by their notes, and what is wrong with those that are spoilt.

    Args:
        root: Folder of the dashboard's own files.
    """
    found, unreadable = {}, []
    for path in _paths(root):
        try:
            found[path] = _read(path)
        except Exception as error:  # whatever somebody put there, the server starts
            unreadable.append(brief(f"{path.name} cannot be read: {error}"))
            log.warning("skipping unreadable %s: %s", path, error)
    return found, unreadable


def remove_notes(notes: Iterable[Path]) -> None:
    """Remove notes, and the folders that hold nothing else: what they say is kept elsewhere now."""
    for path in notes:
        with suppress(OSError):
            path.unlink(missing_ok=True)
            path.parent.rmdir()


def _paths(root: Path) -> list[Path]:
    dead = [folder for folder in sorted((root / "live").glob("*")) if not _alive(folder.name)]
    folders = [root / "interrupted", *dead]
    return [path for one in folders if not one.is_symlink() for path in sorted(one.glob("*.json"))]


def _alive(name: str) -> bool:
    try:
        pid, started = name.split("-")
        return bool(abs(psutil.Process(int(pid)).create_time() - float(started)) < 5)
    except (ValueError, psutil.Error):
        return False


def _read(path: Path) -> Experiment:
    experiment = Experiment.from_dict(json.loads(read_file(path, MANIFEST_LIMIT)))
    if experiment.id != path.stem:
        raise ValueError(f"it holds the experiment {experiment.id}")
    return experiment
