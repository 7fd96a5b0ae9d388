"""The folder of a sweep, ``.sweeps/<id>`` in the folder of all runs; the runs lie beside it.

``sweep.json`` is what was asked for; ``errors.jsonl`` has a line for each failure, of which the
last of a run counts; ``under_way.json`` names the runs that are being made: for each worker its
batches, for each batch the runs that share network calls. With these, a sweep whose process was
killed knows where it was.
"""

import json
import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sdlab.errors import StoreError
from sdlab.experiment.axis import Axis
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.sweep import Sweep
from sdlab.runs import RUN_ID, run_path
from sdlab.runs.atomic import write_file
from sdlab.runs.grids import open_grid
from sdlab.runs.leavings import mend
from sdlab.runs.lock import LOCK, held
from sdlab.runs.reading import check_folder, read_file
from sdlab.runs.sweep_parts import CELLS, LIMIT, SPEC, SWEEPS

FOLDER = SWEEPS
ERRORS, UNDER_WAY = "errors.jsonl", "under_way.json"
LETTERS = 2000
"""Of an error's message that are kept."""
Found = TypeVar("Found")


class SweepFolder:
    """What is kept of a sweep beside its runs.

    Args:
        root: The folder of all runs.
        sweep: The sweep's id.

    Raises:
        StoreError: If the id is not 16 digits of 0-9 and a-f, or a link leads out of the store.
    """

    def __init__(self, root: str | Path, sweep: str) -> None:
        place = check_folder(Path(root).expanduser() / FOLDER)
        self.path = check_folder(run_path(place, sweep))

    def held(self) -> AbstractContextManager[None]:
        """Hold the sweep for this process, until it ends or is killed.

        Raises:
            StoreError: If another process has it, or the folder cannot be written.
        """
        busy = f"Sweep {self.path.name} is being made by another process; wait for it, or end it."
        return held(self.path / LOCK, busy)

    def save(self, sweep: Sweep) -> None:
        """Note what was asked for.

        Raises:
            StoreError: If the disk cannot be written.
        """
        self._write(SPEC, sweep.to_dict())

    def note_cells(self, runs: Iterable[str]) -> None:
        """Note the ids of its runs, by which they are found as its cells.

        Raises:
            StoreError: If the disk cannot be written.
        """
        self._write(CELLS, list(runs))

    def sweep(self) -> Sweep:
        """Return what was asked for.

        Raises:
            StoreError: If there is no such sweep, or its file is damaged.
        """
        path = self.path / SPEC
        sweep = self._read(Sweep.from_dict)
        if sweep.id != self.path.name:
            raise StoreError(f"{path} holds the sweep {sweep.id}, not the one it is named for.")
        return sweep

    def asked(self) -> tuple[Experiment, tuple[Axis, ...]]:
        """Return what was asked for, its pictures not counted out: quick also for many of them.

        Raises:
            StoreError: As for ``sweep``.
        """
        return self._read(_base_and_axes)

    def _read(self, make: Callable[[Any], Found]) -> Found:
        path = self.path / SPEC
        try:
            return make(json.loads(read_file(path, LIMIT)))
        except FileNotFoundError:
            raise StoreError(f"No sweep {self.path.name} in {self.path.parents[1]}.") from None
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise StoreError(f"{path} cannot be read: {error}. Start the sweep again.") from error

    def fail(self, run: str, error: Exception | str) -> None:
        """Keep why a run failed.

        Raises:
            StoreError: If the disk cannot be written.
        """
        text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        when = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"run": run, "error": text[:LETTERS], "created": when})
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            with open(os.open(self.path / ERRORS, flags, 0o666), "ab") as file:
                file.write(f"\n{line}".encode())  # so a line that a crash cut off stays apart
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreError(f"{self.path / ERRORS}: {error.strerror}.") from error

    def errors(self) -> dict[str, str]:
        """Return why runs failed, by their ids; some may have been made since.

        Raises:
            StoreError: If the file cannot be read.
        """
        try:
            lines = read_file(self.path / ERRORS, LIMIT).split(b"\n")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StoreError(f"{self.path / ERRORS} cannot be read: {error.strerror}.") from error
        found = (_json(line) for line in lines)
        return {
            str(entry["run"]): str(entry["error"])
            for entry in found
            if isinstance(entry, dict) and {"run", "error"} <= entry.keys()
        }

    def begin(self, shares: Iterable[list[list[str]]]) -> None:
        """Note which runs are under way; none any more if empty.

        Args:
            shares: For each worker its batches, each a list of runs.

        Raises:
            StoreError: If the disk cannot be written.
        """
        self._write(UNDER_WAY, list(shares))

    def under_way(self) -> list[list[list[str]]]:
        """Return what was under way when the sweep was last ended, as ``begin`` noted it."""
        try:
            found = _json(read_file(self.path / UNDER_WAY, LIMIT))
        except FileNotFoundError:
            return []
        return [
            [[run for run in batch if isinstance(run, str)] for batch in _lists(share)]
            for share in _lists(found)
        ]

    def runs_under_way(self) -> set[str]:
        """Return all runs of ``under_way``."""
        return {run for share in self.under_way() for batch in share for run in batch}

    def _write(self, name: str, value: Any) -> None:
        data = json.dumps(value).encode()
        write_file(self.path / name, lambda stream: stream.write(data))


def list_sweeps(root: str | Path) -> list[tuple[str, float]]:
    """Return the ids of the stored sweeps, and when each was asked for, the latest first.

    Times are seconds of the clock.
    """
    folder = Path(root).expanduser() / FOLDER
    mend(folder)
    paths = () if folder.is_symlink() else folder.glob(f"*/{SPEC}")
    found = [(p.parent.name, _changed(p)) for p in paths if _is_sweep(p.parent)]
    return sorted(found, key=lambda pair: pair[1], reverse=True)


def find_sweep(root: str | Path, sweep: str) -> Sweep | None:
    """Return a stored sweep by its id, or the stored grid of that id as one; None without either.

    Raises:
        StoreError: If its file is damaged.
    """
    if not RUN_ID.fullmatch(sweep):
        return None
    folder = SweepFolder(root, sweep)
    if (folder.path / SPEC).is_file():
        return folder.sweep()
    grid = open_grid(root, sweep)
    return None if grid is None else Sweep(grid.base, grid.axes)


def _base_and_axes(told: Any) -> tuple[Experiment, tuple[Axis, ...]]:
    return Experiment.from_dict(told["base"]), tuple(map(Axis.from_dict, told["axes"]))


def _is_sweep(folder: Path) -> bool:
    return bool(RUN_ID.fullmatch(folder.name)) and not folder.is_symlink()


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _lists(value: Any) -> list[list[Any]]:
    """Return the lists that a JSON value is a list of; none if it is no list."""
    return [one for one in value if isinstance(one, list)] if isinstance(value, list) else []
