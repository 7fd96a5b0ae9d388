"""Whether the worker lives, in a word: asked of its thread, also while that is in a long call."""

from dataclasses import dataclass

from dashboard.worker.under_way import UnderWay

SILENT_SECONDS = 60.0
"""Between two pieces of work the thread gives a sign twice a second."""
WELL = frozenset({"idle", "busy"})


@dataclass(frozen=True)
class Health:
    """How the worker is.

    Attributes:
        state: "starting", "idle", "busy", "no model", "broken", "silent" or "ended".
        reason: In a sentence; what it is busy with, or what is wrong.
        busy_seconds: How long the piece of work under way has taken; 0 between two.
        beat_seconds: How long ago the thread was last between two pieces of work.
        restarts: How often its thread was started anew.
    """

    state: str
    reason: str
    busy_seconds: float = 0.0
    beat_seconds: float = 0.0
    restarts: int = 0

    @property
    def well(self) -> bool:
        """Whether runs are made."""
        return self.state in WELL


def thread_health(work: UnderWay, now: float, restarts: int) -> Health:
    """Return how a thread is that runs.

    Args:
        work: What it does.
        now: ``time.monotonic`` seconds.
        restarts: How often it was started anew.
    """
    piece, beat = work.now, max(0.0, now - work.beat)
    if piece is not None:
        busy = max(0.0, now - piece.since)
        return Health("busy", f"busy with {piece.what} since {busy:.0f} s", busy, beat, restarts)
    if beat > SILENT_SECONDS:
        said = f"The worker's thread has given no sign for {beat:.0f} s: restart the server."
        return Health("silent", said, 0.0, beat, restarts)
    return Health("idle", "nothing to do", 0.0, beat, restarts)
