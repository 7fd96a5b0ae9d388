"""Remembers which runs were queued or running when the server stopped.

Each worker keeps one small JSON file for each live run, in a folder named after its process. At the
next start the runs of a process that is gone are interrupted, and stay listed as such until they
are run again or dismissed. Two servers with one runs folder do not disturb each other.
"""

import json
import logging
import os
import shutil
from pathlib import Path

import psutil

from sdlab.errors import brief
from sdlab.experiment.experiment import Experiment
from sdlab.runs.reading import read_file
from sdlab.runs.run_folder import MANIFEST_LIMIT

log = logging.getLogger(__name__)


class InterruptedRuns:
    """The live runs of this process, on disk.

    If the disk cannot be written, interruptions are forgotten, but no run fails.

    Args:
        root: Folder of the dashboard's own files; made when first needed.

    Attributes:
        unreadable: What is wrong with the files that ``recover`` passed over, a sentence each.
    """

    def __init__(self, root: Path) -> None:
        self._live = root / "live" / _process_name(os.getpid())
        self._interrupted = root / "interrupted"
        self.unreadable: list[str] = []

    def begin(self, experiment: Experiment) -> None:
        """Note that a run is live."""
        try:
            self._live.mkdir(parents=True, exist_ok=True)
            (self._live / f"{experiment.id}.json").write_text(experiment.to_json())
        except OSError as error:
            log.warning("cannot note run %s: %s", experiment.id, error)
        self.dismiss(experiment.id)

    def end(self, run: str) -> None:
        """Note that a run has ended, however it ended."""
        _unlink(self._live / f"{run}.json")

    def interrupt(self, run: str) -> None:
        """Note that a run of this process was stopped by the server's end."""
        self._move(self._live / f"{run}.json")

    def dismiss(self, run: str) -> None:
        """Forget an interrupted run."""
        _unlink(self._interrupted / f"{run}.json")

    def recover(self) -> list[Experiment]:
        """Return the interrupted runs, those of dead processes among them."""
        for folder in self._live.parent.glob("*"):
            if folder != self._live and not folder.is_symlink() and not _alive(folder.name):
                for path in folder.glob("*.json"):
                    self._move(path)
                shutil.rmtree(folder, ignore_errors=True)
        found = []
        for path in sorted(self._interrupted.glob("*.json")):
            try:
                found.append(_read(path))
            except Exception as error:  # whatever somebody put there, the server starts
                self.unreadable.append(brief(f"{path} cannot be read: {error}"))
                log.warning("skipping unreadable %s: %s", path, error)
        return found

    def _move(self, path: Path) -> None:
        try:
            self._interrupted.mkdir(parents=True, exist_ok=True)
            path.replace(self._interrupted / path.name)
        except OSError as error:
            log.warning("cannot keep %s as interrupted: %s", path.stem, error)


def _process_name(pid: int) -> str:
    return f"{pid}-{psutil.Process(pid).create_time():.0f}"


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


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("cannot remove %s: %s", path.name, error)
