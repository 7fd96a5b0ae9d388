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
from sdlab.runs.expansion import check_expansion

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.json"
MAX_PIXELS = 2**26  # 8192 x 8192
PICTURE_LIMIT = 4 * MAX_PIXELS
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_PARQUET = b"PAR1"
_HEADER_LIMIT = 2**24
_CAREFUL = ("O_NONBLOCK", "O_NOFOLLOW", "O_BINARY")  # each where the system has it
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in _CAREFUL)
_FOLLOWS = not hasattr(os, "O_NOFOLLOW")


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


def check_folder(folder: Path) -> Path:
    """Return a folder of the store, unless it is a link, whether it exists or not.

    Raises:
        StoreError: If it is a link: nothing outside of the store is read, changed or deleted.
    """
    if os.path.islink(folder):
        raise StoreError(f"{folder} is a link; the store's own folders are none.")
    return folder


def check_whole(path: Path) -> None:
    """Raise if a PNG, Parquet or safetensors file ends before the place that is its end.

    Cheap, so that listing runs finds what was cut off; what is wrong within is found on reading.

    Raises:
        StoreError: If it is cut off, no such file, or a link.
    """
    handle = _handle(path)
    try:
        size = os.fstat(handle).st_size
        whole = _ENDS[path.suffix](handle, size)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        whole = False
    finally:
        os.close(handle)
    if not whole:
        raise StoreError(f"{path} is damaged: it is cut off, or no such file at all.")


def _png_ends(handle: int, size: int) -> bool:
    os.lseek(handle, max(0, size - len(_PNG_END)), os.SEEK_SET)
    return os.read(handle, len(_PNG_END)) == _PNG_END


def _parquet_ends(handle: int, size: int) -> bool:
    head = os.read(handle, 4)
    os.lseek(handle, max(0, size - 8), os.SEEK_SET)
    foot = os.read(handle, 8)
    return head == foot[4:] == _PARQUET and int.from_bytes(foot[:4], "little") + 12 <= size


def _tensors_end(handle: int, size: int) -> bool:
    length = int.from_bytes(os.read(handle, 8), "little")
    if not 0 < length <= _HEADER_LIMIT:
        return False
    entries = json.loads(os.read(handle, length))
    ends = (entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__")
    return bool(8 + length + max(ends, default=0) == size)


_ENDS = {".png": _png_ends, ".parquet": _parquet_ends, ".safetensors": _tensors_end}


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
    return open(_handle(path), "rb")


def _handle(path: Path) -> int:
    """Return the handle of a plain file, open to be read."""
    if _FOLLOWS:
        _refuse_link(path)
    try:
        handle = os.open(path, _FLAGS)
    except OSError:
        _refuse_link(path)
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise StoreError(f"{path} is no plain file.")
    return handle


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise StoreError(f"{path} is a link; the store's own files are none.")


def read_json_manifest(folder: Path, what: str, form: int, limit: int) -> dict[str, Any]:
    """Return the manifest of a folder.

    Args:
        folder: The folder that holds it.
        what: What the folder holds, for the message: "run".
        form: The format number that this version understands.
        limit: The most bytes that it may have.

    Raises:
        StoreError: If it is missing, no JSON, or of a format that this version does not know; if
            the folder is a link.
    """
    path = check_folder(folder) / MANIFEST
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
        StoreError: If it is no Parquet file, would take far more memory than its size, or lacks a
            column.
    """
    import pandas as pd

    check_plain(path)
    try:
        check_expansion(path)
        filters = None if run is None else [("run", "=", run)]
        table = pd.read_parquet(path, filters=filters, page_checksum_verification=True)
    except StoreError:
        raise
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
