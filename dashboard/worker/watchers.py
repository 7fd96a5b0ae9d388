"""Counts who watches a run by heartbeats, so that a closed tab stops counting.

A watcher is a session. It counts while its last heartbeat is recent (a hidden tab is throttled to
about one tick a minute) and, where the server can tell, while its browser is connected: after a
reload the old session is gone at once and cannot block a cancel.
"""

import time
from collections.abc import Callable

HEARTBEAT_SECONDS = 90.0


class Watchers:
    """The sessions that watch each run.

    Args:
        connected: Tells whether a session's browser is connected.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        connected: Callable[[str], bool] = lambda session: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connected = connected
        self._clock = clock
        self._beats: dict[str, dict[str, float]] = {}

    def touch(self, run: str, session: str) -> None:
        """Note that the session watches the run now."""
        self._beats.setdefault(run, {})[session] = self._clock()

    def leave(self, run: str, session: str) -> None:
        """Forget that the session watches the run."""
        self._beats.get(run, {}).pop(session, None)

    def count(self, run: str) -> int:
        """Return how many sessions watch the run."""
        oldest = self._clock() - HEARTBEAT_SECONDS
        beats = list(self._beats.get(run, {}).items())
        return sum(at >= oldest and self._connected(session) for session, at in beats)

    def forget(self, run: str) -> None:
        """Drop a run that has ended."""
        self._beats.pop(run, None)
