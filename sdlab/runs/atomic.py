"""Writes a folder or a file atomically: it is there whole, or not at all.

The files go to a hidden folder beside the target, each is forced to the disk, and the folder is
renamed at the end. A rename cannot replace a folder that has files, so an older one is first
renamed to a hidden name; after a crash between the two renames, ``leavings.recover`` puts it back.
What a crash leaves half-written has a hidden name that nothing reads, and is removed later.
Libraries for this (atomicwrites, no longer kept) write single files and know no folders.
"""

import ctypes
import errno
import os
import re
import shutil
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from sdlab.errors import StoreError
from sdlab.models.memory import readable
from sdlab.runs.leavings import held_open, hidden, recover, remove, sweep

MANY = 16
"""Files that are forced to the disk all at once, with whatever else waits to be written there."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ATTEMPTS = 5


def write_folder(target: Path, write: Callable[[Path], None]) -> Path:
    """Make ``target`` the folder that ``write`` fills, replacing an older one; return it.

    Args:
        target: The folder to make.
        write: Called with an empty folder, to put files into.

    Raises:
        StoreError: If it cannot be written whole; then nothing is left of it, and an older folder
            is unchanged.
    """
    write_folders({target: write})
    return target


def write_folders(writers: Mapping[Path, Callable[[Path], None]]) -> None:
    """Make several folders, as ``write_folder`` does one; they are forced to the disk together.

    The disk takes about as long for all of them as for one.

    Args:
        writers: What fills each, by the folder to make.

    Raises:
        StoreError: If one cannot be written whole; then nothing is left of it and of those that
            had not got their names yet, and older folders are unchanged.
    """
    made: dict[Path, Path] = {}
    target = next(iter(writers), Path())
    try:
        with ExitStack() as writing:
            for target, write in writers.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                sweep(target.parent)
                work = hidden(target, "new")
                work.mkdir()
                made[target] = work
                writing.enter_context(held_open(work))
                write(work)
            _sync([path for work in made.values() for path in (*work.iterdir(), work)])
            for target, work in made.items():
                replace_folder(work, target)
        _sync({target.parent for target in made})
    except BaseException as error:
        for work in made.values():
            shutil.rmtree(work, ignore_errors=True)
        reason = _errno(error)
        if reason is None:
            raise
        raise StoreError(_explain(target, reason)) from error


def write_file(target: Path, write: Callable[[BinaryIO], object]) -> Path:
    """Make ``target`` the file that ``write`` fills, replacing an older one; return it.

    Args:
        target: The file to make.
        write: Called with a binary stream, to write to.

    Raises:
        StoreError: If it cannot be written whole; then nothing is left of it, and an older file
            is unchanged.
    """
    work = hidden(target, "new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        with work.open("xb") as stream, held_open(work):
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        work.replace(target)
    except BaseException as error:
        with suppress(OSError):
            work.unlink(missing_ok=True)
        reason = _errno(error)
        if reason is None:
            raise
        raise StoreError(_explain(target, reason)) from error
    return target


def replace_folder(work: Path, target: Path) -> None:
    """Rename a folder, or a file, to ``target``, replacing what is there; links are not followed.

    Raises:
        OSError: If it cannot be renamed; then ``target`` is what it was.
    """
    failure: OSError | None = None
    for _ in range(ATTEMPTS):
        old = hidden(target, "old")
        with suppress(FileNotFoundError):
            target.rename(old)
        try:
            work.rename(target)
            failure = None
        except OSError as error:
            failure = error
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                break
        remove(old)  # ours stands there, or another writer's, as new
        if failure is None:
            return
    recover(target)
    assert failure is not None
    raise failure


def _sync(paths: Collection[Path]) -> None:
    """Force files and folders to the disk: one by one, or, if they are many, all at once."""
    if len(paths) >= MANY and _sync_file_system(next(iter(paths))):
        return
    for path in paths:
        _sync_one(path)


def _sync_file_system(path: Path) -> bool:
    """Force all that waits to be written to a path's disk; return whether the system can.

    For the folders of eight runs it took 12 ms, one file after the other 258 ms.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    handle = os.open(path, os.O_RDONLY)
    try:
        return bool(library.syncfs(handle) == 0)  # else each file says what is wrong
    finally:
        os.close(handle)


def _sync_one(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _errno(error: BaseException) -> OSError | None:
    """Return the operating system's error number, also from safetensors' message."""
    if isinstance(error, OSError):
        return error
    found = re.search(r"\(os error (\d+)\)", str(error))
    if type(error).__name__ == "SafetensorError" and found:
        number = int(found[1])
        return OSError(number, os.strerror(number))
    return None


def _explain(target: Path, error: OSError) -> str:
    where, reason = target.parent, error.strerror or str(error)
    if error.errno in FULL:
        free = shutil.disk_usage(where).free if where.is_dir() else 0
        return (
            f"No room to save {target.name} in {where} ({readable(free)} free: {reason}). Delete"
            " runs you no longer need there, or record less: Record(every=4), dtype='float16' or"
            " tensors=(). What was stored before is untouched; save again when there is room."
        )
    return (
        f"{target.name} cannot be written to {where}: {reason}. Choose another folder, for example"
        " with the environment variable SDLAB_RUNS."
    )
