"""At a server's start: what dead servers, and older versions, left unfinished becomes its own."""

from pathlib import Path

from dashboard.worker.living_servers import LivingServer
from dashboard.worker.older_notes import older_notes, remove_notes
from dashboard.worker.queue_on_disk import QueueOnDisk

ENDED = "the server ended"


def take_over(kept: QueueOnDisk, server: LivingServer, root: Path) -> list[str]:
    """Take over the runs of servers that are gone; return what is wrong with notes of theirs.

    Args:
        kept: The runs of this server.
        server: This server.
        root: Folder of the dashboard's own files.
    """
    with server.burying(kept.others()) as dead:
        for name in dead:
            kept.take_over(name)
        for work in dead.values():
            kept.blame(work.runs, work.point, ENDED)
    notes, unreadable = older_notes(root)
    kept.add_interrupted(notes.values())
    if kept.write():
        remove_notes(notes)
    return unreadable
