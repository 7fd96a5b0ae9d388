"""Stored runs: finding them, their manifests and their pictures."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import StoreError
from sdlab.runs import run_path
from sdlab.runs.leavings import recover
from sdlab.runs.reading import PICTURE_LIMIT, png_size, read_file
from sdlab.runs.run_folder import IMAGE, open_picture, read_facts

if TYPE_CHECKING:
    from sdlab.runs.run import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredRun:
    """A run folder and its manifest.

    Attributes:
        id: The experiment's id.
        folder: Where it lies.
        manifest: As ``sdlab.runs.manifest`` writes it.
    """

    id: str
    folder: Path
    manifest: dict[str, Any]

    @property
    def picture(self) -> bytes:
        """The PNG as stored.

        Raises:
            StoreError: If it cannot be read, to its end.
        """
        self.check()
        return read_picture(self.folder)

    def check(self) -> None:
        """Read the picture to its end.

        Raises:
            StoreError: If it cannot be read.
        """
        open_picture(self.folder)


def read_picture(folder: Path) -> bytes:
    """Return the PNG of a run folder.

    Raises:
        StoreError: If it cannot be read, is no PNG or a link, or has more pixels than any picture.
    """
    path = folder / IMAGE
    try:
        png_size(path)
        return read_file(path, PICTURE_LIMIT)
    except OSError as error:
        raise StoreError(f"The picture of run {folder.name} cannot be read: {error}.") from error


def run_folder(runs: Path, run: str) -> Path:
    """Return the folder of a stored run.

    Raises:
        StoreError: If the id is none, nothing is stored under it, or a link leads out of the store.
    """
    folder = run_path(runs, run)
    if not folder.is_dir():
        raise StoreError(f"No run {run} is stored here.")
    if folder.resolve().parent != runs.resolve():
        raise StoreError(f"{folder} is a link that leads out of the store.")
    return folder


def stored_run(runs: Path, run: str) -> StoredRun | None:
    """Return a stored run, or None if there is none of that id that can be read."""
    try:
        recover(run_path(runs, run))
        if not run_path(runs, run).is_dir():
            return None  # as every run is before it is made
        folder = run_folder(runs, run)
        return StoredRun(run, folder, read_facts(folder)[0])
    except StoreError as error:
        log.warning("skipping run %r: %s", run[:40], error)
        return None


def stored_facts(runs: Path, run: str) -> dict[str, Any] | None:
    """Return the manifest of a stored run, or None if it is not stored."""
    found = stored_run(runs, run)
    return None if found is None else found.manifest


def open_stored(runs: Path, run: str) -> "Run":
    """Return a stored run with its tables and tensors.

    Raises:
        StoreError: If it is not there or is damaged.
    """
    import sdlab

    return sdlab.open_run(run_path(runs, run))
