"""Reads manifests, tables and pictures of stored folders without trusting them.

Whoever can write into the store may have put a pipe there (which keeps its reader waiting for
ever), a link to somewhere else, an endless file, or a picture that takes all memory when it is
opened.
"""

import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sdlab.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.json"
MAX_PIXELS = 2**26  # 8192 x 8192
PICTURE_LIMIT = 4 * MAX_PIXELS
_PNG = b"\x89PNG\r\n\x1a\n"
_CAREFUL = ("O_NONBLOCK", "O_NOFOLLOW", "O_BINARY")  # each where the system has it


def read_file(path: Path, limit: int) -> bytes:
    """Return the bytes of a plain file of the store.

    Args:
        path: Of the file.
        limit: The most bytes that it may have.

    Raises:
        FileNotFoundError: If it is not there.
        StoreError: If it is a link, a pipe or anything but a plain file, or larger.
        OSError: If it cannot be read.
    """
    with _open(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise StoreError(f"{path} is larger than {limit:,} bytes; sdlab wrote no such file.")
    return data


def png_size(path: Path) -> tuple[int, int]:
    """Return (width, height) in pixels of a stored PNG, from its header alone.

    Without Pillow, which listing runs does not load, and which follows links.

    Raises:
        StoreError: If it cannot be read, is no PNG, or has more than ``MAX_PIXELS``.
    """
    try:
        with _open(path) as file:
            head = file.read(24)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}.") from error
    if len(head) < 24 or head[:8] != _PNG or head[12:16] != b"IHDR":
        raise StoreError(f"{path} cannot be read as a PNG: it does not begin as one.")
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if not 0 < width * height <= MAX_PIXELS:
        raise StoreError(
            f"{path} is a picture of {width} x {height} pixels; at most {MAX_PIXELS:,} are read."
        )
    return width, height


def check_plain(path: Path) -> None:
    """Raise unless a path of the store is a plain file: not a link, not a pipe.

    Raises:
        StoreError: If it is not there or no plain file.
    """
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}.") from error
    if stat.S_ISLNK(mode):
        raise StoreError(f"{path} is a link; the store's own files are none.")
    if not stat.S_ISREG(mode):
        raise StoreError(f"{path} is no plain file.")


def _open(path: Path) -> BinaryIO:
    if path.is_symlink():
        raise StoreError(f"{path} is a link; the store's own files are none.")
    handle = os.open(path, os.O_RDONLY | sum(getattr(os, name, 0) for name in _CAREFUL))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise StoreError(f"{path} is no plain file.")
    return open(handle, "rb")


def read_json_manifest(folder: Path, what: str, form: int, limit: int) -> dict[str, Any]:
    """Return the manifest of a folder.

    Args:
        folder: The folder that holds it.
        what: What the folder holds, for the message: "run".
        form: The format number that this version understands.
        limit: The most bytes that it may have.

    Raises:
        StoreError: If it is missing, no JSON, or of a format that this version does not know.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(read_file(path, limit).decode("utf-8"))
    except FileNotFoundError:
        raise StoreError(f"There is no {what} in {folder}: it has no {MANIFEST}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(manifest, dict):
        raise StoreError(f"{path} must hold a JSON object, not a {type(manifest).__name__}.")
    if manifest.get("format") != form:
        raise StoreError(
            f"{path} is of format {manifest.get('format')!r}; this version of sdlab reads format"
            f" {form}. A newer sdlab may have written it: update."
        )
    return manifest


def read_parquet(path: Path, columns: Iterable[str], run: str | None = None) -> "pd.DataFrame":
    """Return a stored table.

    Args:
        path: Of the Parquet file.
        columns: That it must have.
        run: Whose rows of it; None for all.

    Raises:
        StoreError: If it is no Parquet file or lacks a column.
    """
    import pandas as pd

    check_plain(path)
    try:
        table = pd.read_parquet(path, filters=None if run is None else [("run", "=", run)])
    except Exception as error:  # pyarrow raises its own, and OSError, and ValueError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(f"{path} cannot be read as Parquet: {reason}") from error
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise StoreError(
            f"{path} lacks the columns {', '.join(absent)}. An older sdlab may have written it:"
            " make it again."
        )
    return table
