"""Counts who watches a task by heartbeats, so that a closed tab stops counting.

A watcher is a session. It counts while its last heartbeat is recent (a hidden tab is throttled to
about one tick a minute) and, where the server can tell, while its browser is connected: after a
reload the old session is gone at once and cannot block a cancel.
"""

import time
from collections.abc import Callable

HEARTBEAT_SECONDS = 90.0


class Watchers:
    """The sessions that watch a task.

    Args:
        connected: Tells whether a session's browser is connected.
        seconds: How long a session counts after its last heartbeat.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        connected: Callable[[str], bool] = lambda session: True,
        seconds: float = HEARTBEAT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connected = connected
        self._seconds = seconds
        self._clock = clock
        self._beats: dict[str, float] = {}

    def touch(self, session: str) -> None:
        """Note that the session watches now."""
        self._beats[session] = self._clock()

    def leave(self, session: str) -> None:
        """Forget that the session watches."""
        self._beats.pop(session, None)

    def count(self) -> int:
        """Return how many sessions watch."""
        oldest = self._clock() - self._seconds
        beats = list(self._beats.items())
        return sum(at >= oldest and self._connected(session) for session, at in beats)
