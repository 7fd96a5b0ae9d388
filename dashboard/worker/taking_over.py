"""What dead servers, and older versions, left unfinished becomes a server's own.

That is done at its start, and of servers that share the folder and die meanwhile, now and then.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dashboard.worker.living_servers import LivingServer
from dashboard.worker.older_notes import older_notes, remove_notes
from dashboard.worker.queue_on_disk import QueueOnDisk

ENDED = "the server ended"
PAUSE_SECONDS = 30.0


def take_over(kept: QueueOnDisk, server: LivingServer, root: Path) -> list[str]:
    """Take over the runs of servers that are gone; return what is wrong with notes of theirs.

    Args:
        kept: The runs of this server.
        server: This server.
        root: Folder of the dashboard's own files.
    """
    inherit(kept, server)
    notes, unreadable = older_notes(root)
    kept.add_interrupted(notes.values())
    if kept.write():
        remove_notes(notes)
    return unreadable


def inherit(kept: QueueOnDisk, server: LivingServer) -> bool:
    """Take over the runs of servers that are gone; return whether there was one.

    Those in whose midst it ended are suspected of that.
    """
    with server.burying(kept.others()) as dead:
        for name in dead:
            kept.take_over(name)
        for work in dead.values():
            kept.blame(work.runs, work.point, ENDED)
    return bool(dead)


@dataclass(eq=False)
class Inheriting:
    """Looks now and then for servers that have died; belongs to the worker's thread.

    Attributes:
        kept: The runs of this server.
        server: This server.
        resume: Goes on with those that are new.
        pause: Seconds between two looks.
    """

    kept: QueueOnDisk
    server: LivingServer
    resume: Callable[[], None]
    pause: float = PAUSE_SECONDS
    _latest: float = float("-inf")

    def look(self) -> None:
        """Take over the runs of the dead, unless that was looked for shortly before."""
        if time.monotonic() - self._latest < self.pause:
            return
        self._latest = time.monotonic()
        if inherit(self.kept, self.server):
            self.resume()
            self.kept.write()
