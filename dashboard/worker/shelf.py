"""The stored runs, as far as the dashboard looks into them."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import StoreError
from sdlab.store import run_path
from sdlab.store.run_folder import read_manifest

if TYPE_CHECKING:
    from sdlab.sampling.run import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredRun:
    """A run folder and its manifest.

    Attributes:
        id: The experiment's id.
        folder: Where it lies.
        manifest: As ``sdlab.sampling.manifest`` writes it.
    """

    id: str
    folder: Path
    manifest: dict[str, Any]

    @property
    def picture(self) -> bytes:
        """The PNG as stored.

        Raises:
            StoreError: If it cannot be read.
        """
        return read_picture(self.folder)


def read_picture(folder: Path) -> bytes:
    """Return the PNG of a run folder.

    Raises:
        StoreError: If it cannot be read.
    """
    try:
        return (folder / "image.png").read_bytes()
    except OSError as error:
        raise StoreError(f"The picture of run {folder.name} cannot be read: {error}.") from error


def stored_run(runs: Path, run: str) -> StoredRun | None:
    """Return a stored run, or None if there is none of that id that can be read."""
    try:
        folder = run_path(runs, run)
        if not folder.is_dir():
            return None
        return StoredRun(run, folder, read_manifest(folder))
    except StoreError as error:
        log.warning("skipping run %r: %s", run[:40], error)
        return None


def stored_hash(runs: Path, run: str) -> str | None:
    """Return the hash of the weights that made a stored run, or None if it is not stored."""
    found = stored_run(runs, run)
    return None if found is None else str(found.manifest["model"].get("hash"))


def open_stored(runs: Path, run: str) -> "Run":
    """Return a stored run with its tables and tensors.

    Raises:
        StoreError: If it is not there or is damaged.
    """
    import sdlab

    return sdlab.open_run(run_path(runs, run))
