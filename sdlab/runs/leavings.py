"""What an interrupted write or deletion leaves: found where a folder is listed, and mended.

All that is written or deleted bears a hidden name meanwhile, ``.<name>.<12 digits>.new`` or
``.old``, which nothing reads. An ``.old`` one is what is about to be replaced; if nothing stands in
its place, it is put back. A ``.new`` one is half-written, or half-deleted, and is removed. Whoever
writes holds a lock on it, which the system lets go when its process ends: so what is being written
is never removed, also where the clock jumps, or a disk takes hours.
"""

import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

_HIDDEN = re.compile(r"\.(?P<name>.+)\.(?P<mark>[0-9a-f]{12})\.(?P<kind>new|old)")
STALE_SECONDS = 3600.0
"""What is younger stays, for disks that know no locks; so does what seems to be of the future."""
SWEPT_EVERY_SECONDS = 600.0


def hidden(target: Path, kind: str) -> Path:
    """Return a new hidden name beside ``target``, of kind "new" or "old"."""
    return target.with_name(f".{target.name}.{secrets.token_hex(6)}.{kind}")


def recover(target: Path) -> None:
    """Put back the older folder if a crash during its replacement left it under a hidden name."""
    if target.exists() or not target.parent.is_dir():
        return
    for path in target.parent.glob(f".{target.name}.*.old"):
        with suppress(OSError):
            path.rename(target)
            return


def recover_all(root: Path) -> None:
    """Put back every older folder in ``root`` that a crash during a replacement left hidden."""
    for path in root.glob(".*.old"):
        match = _HIDDEN.fullmatch(path.name)
        if match:
            recover(root / match["name"])


def mend(root: Path) -> None:
    """Put back what a crash hid in a folder and remove what it left half; for who lists it.

    Nothing is done in a folder that is a link.
    """
    if not os.path.islink(root):
        recover_all(root)
        sweep(root)


def sweep(root: Path) -> None:
    """Remove what crashes left in a folder, unless that was done shortly before."""
    _swept(root, int(time.monotonic() / SWEPT_EVERY_SECONDS))


@contextmanager
def held_open(work: Path) -> Iterator[None]:
    """Hold what is being written, so that no other process takes it for a leaving."""
    handle = _locked(work)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def remove(path: Path) -> None:
    """Remove a file, a folder with all that is in it, or a link, which is not followed."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


@lru_cache(maxsize=256)
def _swept(root: Path, period: int) -> None:
    """Remove it; ``period`` is the time, in steps, so that not each save lists a large store."""
    for path in root.glob(".*"):
        match = _HIDDEN.fullmatch(path.name)
        with suppress(OSError):  # another writer may sweep at the same time
            if not match or time.time() - path.lstat().st_mtime < STALE_SECONDS:
                continue
            if path.is_symlink():
                path.unlink()
                continue
            handle = _locked(path)
            if handle is None:
                continue
            os.close(handle)
            if match["kind"] == "old":
                recover(root / match["name"])
            remove(path)


def _locked(path: Path) -> int | None:
    """Return the handle of a file or folder that is locked by it; None if another has the lock.

    Where there are no locks, as on Windows and some network disks, it is as good as locked.
    """
    if sys.platform == "win32":
        return os.open(os.devnull, os.O_RDONLY)
    import fcntl

    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        pass
    return handle
