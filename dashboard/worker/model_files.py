"""What the disk says of a model's files without reading them: whether they changed, how large."""

import hashlib
import os
from pathlib import Path

from sdlab.shipped import SHIPPED

WEIGHTS = ".safetensors"
WIDENED = 2
"""Weights may lie on the disk in half precision and be kept in single."""


def disk_mark(source: str) -> str:
    """Return what changes when the files of a model do; "" of a hub id.

    Args:
        source: A folder, a file, a hub id, or a model that comes with sdlab.
    """
    told = [(str(path), at.st_size, at.st_mtime_ns) for path, at in _files(source)]
    return hashlib.sha256(repr(sorted(told)).encode()).hexdigest() if told else ""


def most_bytes(source: str) -> int | None:
    """Return how many bytes a model's weights take at most; None if the disk does not say.

    Args:
        source: As for ``disk_mark``.
    """
    sizes = [at.st_size for path, at in _files(source) if path.suffix.lower() == WEIGHTS]
    return WIDENED * sum(sizes) if sizes else None


def _files(source: str) -> list[tuple[Path, os.stat_result]]:
    try:
        place = Path(SHIPPED.get(source, source)).expanduser()
        paths = [place] if place.is_file() else [*place.glob("*"), *place.glob("*/*")]
        return [(path, path.stat()) for path in paths if path.is_file()]
    except (OSError, RuntimeError, ValueError):  # no rights, a link in a ring, a null byte
        return []
