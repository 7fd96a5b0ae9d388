"""The servers that share a folder of runs: which of them live, and what each was doing.

Each holds a lock for as long as it lives, which the system lets go however it ends. So neither a
clock that jumps nor a number that another process has got can make a dead one look alive.
"""

import json
import logging
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sdlab.errors import StoreError
from sdlab.runs.lock import held
from sdlab.runs.reading import read_file

log = logging.getLogger(__name__)

_NAME = re.compile("[0-9a-f]{16}")
BUSY = "another server lives by this name"
NOTE_BYTES = 4096


class LastWork(NamedTuple):
    """What a server was doing when it ended.

    Attributes:
        runs: Whose work it was; none if it was nobody's.
        point: Which piece of it.
    """

    runs: tuple[str, ...] = ()
    point: str = ""


class LivingServer:
    """This server among those that share a folder of runs.

    Where the folder cannot be written it lives unseen.

    Args:
        folder: Where the servers keep their locks and notes.

    Attributes:
        name: Told apart from all other servers' by chance.
    """

    def __init__(self, folder: Path) -> None:
        self.name = secrets.token_hex(8)
        self._folder = folder
        self._life = ExitStack()
        self._note: BinaryIO | None = None
        try:
            self._life.enter_context(held(self._lock_of(self.name), BUSY))
            self._note = self._note_of(self.name).open("xb", buffering=0)
        except (StoreError, OSError) as error:
            log.warning("this server cannot be told from a dead one: %s", error)

    def note(self, runs: Sequence[str], point: str) -> None:
        """Note what the worker does now, for the next server; takes some microseconds.

        It is not forced to the disk: it is there after the end of this process, not of the machine.
        """
        if self._note is None:
            return
        text = json.dumps({"runs": list(runs), "point": point}).encode()[:NOTE_BYTES]
        with suppress(OSError):
            self._note.seek(0)
            self._note.write(text.ljust(NOTE_BYTES))

    @contextmanager
    def burying(self, names: Iterable[str] = ()) -> Iterator[dict[str, LastWork]]:
        """Return what the dead servers were doing; nobody else looks at them meanwhile.

        Afterwards nothing is left of them.

        Args:
            names: Of servers that may have left nothing here.
        """
        with ExitStack() as locks:
            dead = {}
            for name in filter(_NAME.fullmatch, {*self._seen(), *names} - {self.name}):
                with suppress(StoreError):  # it lives, or another server looks after it
                    locks.enter_context(held(self._lock_of(name), BUSY))
                    dead[name] = self._work_of(name)
            yield dead
            for name in dead:
                for path in (self._note_of(name), self._lock_of(name)):
                    with suppress(OSError):
                        path.unlink(missing_ok=True)

    def end(self) -> None:
        """Let go of the lock: the server has ended, and in the midst of nothing."""
        if self._note is not None:
            self._note.close()
        for path in (self._note_of(self.name), self._lock_of(self.name)):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        self._life.close()

    def _seen(self) -> set[str]:
        return {path.stem for path in self._folder.glob("*.lock")}

    def _lock_of(self, name: str) -> Path:
        return self._folder / f"{name}.lock"

    def _note_of(self, name: str) -> Path:
        return self._folder / f"{name}.note"

    def _work_of(self, name: str) -> LastWork:
        """Return a server's last note; what is no note says nothing."""
        try:
            told = json.loads(read_file(self._note_of(name), NOTE_BYTES))
            return LastWork(tuple(map(str, told["runs"])), str(told["point"]))
        except (OSError, StoreError, ValueError, KeyError, TypeError):
            return LastWork()
