"""Where the tables of a run lie: in its folder, or with those of other runs in a shard.

A shard is a folder ``.shards/<number>`` in the folder of all runs, made by ``sdlab runs compact``:
``steps.parquet`` and so on, with the rows of up to some thousand runs, and ``runs.json``, which
says of each when it was made. It is never changed. A table in the run's own folder comes first;
the shard is whole before that one is removed, so at any moment one of them can be read. Of several
shards with the same run, made at the same time, the latest counts: higher numbers are later.
"""

import json
import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from sdlab.errors import StoreError
from sdlab.runs import RUN_ID, TRASH
from sdlab.runs.reading import read_file

log = logging.getLogger(__name__)

SHARDS = ".shards"
"""In the folder of all runs."""
ABOUT = "runs.json"
LIMIT = 2**26


def shard_names(root: Path) -> tuple[str, ...]:
    """Return the names of a store's shards, the earliest first; none if their folder is a link."""
    if os.path.islink(root / SHARDS):
        return ()
    try:
        with os.scandir(root / SHARDS) as entries:
            return tuple(sorted(entry.name for entry in entries if _is_shard(entry)))
    except OSError:
        return ()


def runs_of(shard: Path) -> Mapping[str, str]:
    """Return the runs of a shard by their ids, with the time in their manifests.

    Raises:
        StoreError: If the shard is damaged.
    """
    return _runs_of(shard)


def shard_of(folder: Path, created: str) -> Path | None:
    """Return the shard that holds the tables of a run, or None.

    Args:
        folder: The run's, in the store or in its trash.
        created: When it was made, as its manifest says.
    """
    root = folder.parent.parent if folder.parent.name == TRASH else folder.parent
    names = shard_names(root)
    for time, shard in _places(root, names).get(folder.name, ()) if names else ():
        if time == created:
            return shard
    return None


def bytes_of(root: Path) -> int:
    """Return the size of a store's shards."""
    shards = (root / SHARDS / name for name in shard_names(root))
    return sum(path.lstat().st_size for shard in shards for path in shard.iterdir())


def _is_shard(entry: "os.DirEntry[str]") -> bool:
    return bool(RUN_ID.fullmatch(entry.name)) and entry.is_dir(follow_symlinks=False)


@lru_cache(maxsize=4096)
def _runs_of(shard: Path) -> Mapping[str, str]:
    path = shard / ABOUT
    try:
        found = json.loads(read_file(path, LIMIT))
        return {run: str(time) for run, time in found.items() if RUN_ID.fullmatch(run)}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise StoreError(f"{path} cannot be read: {error}.") from error


@lru_cache(maxsize=4)
def _places(root: Path, names: tuple[str, ...]) -> Mapping[str, list[tuple[str, Path]]]:
    """Return for each run when it was made and in which shard it is, the latest shard first."""
    found: dict[str, list[tuple[str, Path]]] = {}
    for name in reversed(names):
        shard = root / SHARDS / name
        try:
            runs = runs_of(shard)
        except StoreError as error:
            log.warning("a shard is passed over: %s", error)
            continue
        for run, time in runs.items():
            found.setdefault(run, []).append((time, shard))
    return found
