"""Holds a folder of the store for one process, until it lets go, ends or is killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdlab.errors import StoreError

LOCK = "lock"
"""The file in a sweep's folder, and in that of the shards, that stands for the folder."""


@contextmanager
def held(lock: Path, busy: str) -> Iterator[None]:
    """Hold what a lock file stands for.

    Args:
        lock: The file; its folder is made if it is not there.
        busy: What is said if another process holds it.

    Raises:
        StoreError: If another process holds it, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = FileLock(lock, timeout=0, thread_local=False)  # any thread may let go
        file.acquire()
    except Timeout:
        raise StoreError(busy) from None
    except OSError as error:
        raise StoreError(f"{lock.parent} cannot be written: {error.strerror}.") from error
    try:
        yield
    finally:
        file.release()
