"""Where a sweep's runs are stored: the folder of all runs, or an object storage that workers share.

In an object storage, such as S3, nothing can be renamed in one step. There a run's manifest is
written last: a run is there if its manifest is. pyarrow's filesystems are what reaches it, by URL:
``s3://bucket/runs``, ``gs://...``, ``hdfs://...``. A run that was stored there is brought into the
folder of all runs, from which everything else reads.
"""

import json
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlparse

from sdlab.errors import StoreError
from sdlab.runs import RUN_ID, run_path
from sdlab.runs.atomic import write_folder
from sdlab.runs.manifest import is_exact
from sdlab.runs.reading import MANIFEST
from sdlab.runs.run_folder import (
    FILES,
    MANIFEST_LIMIT,
    OPTIONAL_FILES,
    open_run,
    read_manifest,
    save_runs,
)

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

    from sdlab.runs.run import Run

AT_ONCE = 16
"""Requests to an object storage that are under way together."""
LISTED = 64
"""Of more runs than these it is first asked which are there at all, for it lists every run."""
_INPUT = re.compile(r"input-[0-9a-f]{16}\.png")


class RunStore(Protocol):
    """Where runs are stored."""

    def made(self, runs: Iterable[str], model_hash: str, mix: bool = True) -> set[str]:
        """Return those of the runs that are stored, made by these weights.

        Args:
            runs: Their ids.
            model_hash: Of the weights.
            mix: Whether those that shared network calls count.
        """

    def save(self, runs: "Sequence[Run]") -> None:
        """Store runs, each whole or not at all.

        Raises:
            StoreError: If one cannot be stored.
        """

    def bring(self, runs: Collection[str], root: Path) -> None:
        """Copy stored runs into a folder of runs, unless it is this store.

        Raises:
            StoreError: If that cannot be.
        """


def store_of(place: str | Path) -> RunStore:
    """Return the store of a folder's path or of a URL.

    Raises:
        StoreError: If the URL's kind is not known.
    """
    parts = urlparse(str(place))
    if "://" not in str(place):
        return FolderStore(place)
    if parts.scheme == "file":
        return FolderStore(unquote(parts.path))
    from pyarrow import ArrowException
    from pyarrow.fs import FileSystem

    try:
        filesystem, base = FileSystem.from_uri(str(place))
    except (ArrowException, ValueError, OSError) as error:
        raise StoreError(f"{place} is no storage that pyarrow can reach: {error}.") from error
    return ObjectStore(filesystem, base)


class FolderStore:
    """The folder of all runs; see ``RunStore``."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser()

    def made(self, runs: Iterable[str], model_hash: str, mix: bool = True) -> set[str]:
        """Return those of the runs that are stored, made by these weights."""
        return {run for run in runs if _made_by(self._facts(run), model_hash, mix)}

    def save(self, runs: "Sequence[Run]") -> None:
        """Store runs."""
        save_runs(runs, self.root)

    def bring(self, runs: Collection[str], root: Path) -> None:
        """Copy stored runs into another folder."""
        if self.root.resolve() != root.resolve():
            for run in runs:
                save_runs([open_run(run_path(self.root, run))], root)

    def _facts(self, run: str) -> Mapping[str, Any] | None:
        try:
            return read_manifest(run_path(self.root, run))
        except (OSError, StoreError):
            return None


class ObjectStore:
    """A folder of an object storage; see ``RunStore``.

    Args:
        filesystem: That reaches it.
        base: The folder's path in it.
    """

    def __init__(self, filesystem: "FileSystem", base: str) -> None:
        self._files, self._base = filesystem, base.rstrip("/")

    def made(self, runs: Iterable[str], model_hash: str, mix: bool = True) -> set[str]:
        """Return those of the runs that are stored, made by these weights."""
        asked = [run for run in runs if RUN_ID.fullmatch(run)]
        if len(asked) > LISTED:
            names = self._names(self._base)
            asked = [run for run in asked if run in names]
        with self._told(), ThreadPoolExecutor(AT_ONCE) as pool:
            facts = dict(zip(asked, pool.map(self._facts, asked), strict=True))
        return {run for run in asked if _made_by(facts[run], model_hash, mix)}

    def save(self, runs: "Sequence[Run]") -> None:
        """Store runs, the manifest of each last."""
        with tempfile.TemporaryDirectory() as folder, self._told():
            paths = save_runs(runs, folder)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(self._put, paths))

    def bring(self, runs: Collection[str], root: Path) -> None:
        """Copy stored runs into a folder of runs."""
        for run in runs:
            with self._told():
                write_folder(run_path(root, run), partial(self._copy, run))

    def _put(self, path: Path) -> None:
        target = f"{self._base}/{path.name}"
        self._files.create_dir(target, recursive=True)
        for file in sorted(path.iterdir(), key=lambda file: file.name == MANIFEST):
            with self._files.open_output_stream(f"{target}/{file.name}") as stream:
                stream.write(file.read_bytes())

    def _copy(self, run: str, place: Path) -> None:
        source = f"{self._base}/{run}"
        names = [name for name in self._names(source) if _is_of_a_run(name)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = pool.map(lambda name: self._read(f"{source}/{name}"), names)
            for name, data in zip(names, found, strict=True):
                (place / name).write_bytes(data)

    def _facts(self, run: str) -> Mapping[str, Any] | None:
        try:
            facts = json.loads(self._read(f"{self._base}/{run}/{MANIFEST}", MANIFEST_LIMIT))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError):  # cut off, or spoilt
            return None
        return facts if isinstance(facts, dict) else None

    def _names(self, folder: str) -> set[str]:
        from pyarrow.fs import FileSelector

        with self._told():
            listed = self._files.get_file_info(FileSelector(folder, allow_not_found=True))
        return {info.base_name for info in listed}

    def _read(self, path: str, limit: int | None = None) -> bytes:
        with self._files.open_input_stream(path) as stream:
            return bytes(stream.read(limit))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"The storage {self._base} cannot be used: {error}.") from error


def _made_by(facts: Mapping[str, Any] | None, model_hash: str, mix: bool) -> bool:
    model = None if facts is None else facts.get("model")
    made = isinstance(model, Mapping) and model.get("hash") == model_hash
    return made and facts is not None and (mix or is_exact(facts))


def _is_of_a_run(name: str) -> bool:
    return name in FILES or name in OPTIONAL_FILES or bool(_INPUT.fullmatch(name))
