"""A part of a page that draws itself again and again, until what it shows has ended.

Everybody's pages are drawn by the process that makes the pictures. So what takes long to draw, or
is looked at by many, is drawn less often: all that is of one kind takes a fifth of the time.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

import streamlit as st

from dashboard.shell.state import session_id

POLL_SECONDS = 0.4
HEARTBEAT_SECONDS = 5.0
SHARE = 0.2
"""Of the time, for all drawings of one kind together."""
SLOWEST_SECONDS = 30.0


@dataclass
class Drawings:
    """The drawings of one kind, on everybody's pages.

    Attributes:
        took: Seconds of the latest.
        latest: When each session's was last drawn, by ``monotonic``.
    """

    took: float = 0.0
    latest: dict[str, float] = field(default_factory=dict)

    def note(self, session: str, begun: float) -> None:
        """Note that one has been drawn, and forget who looks no longer."""
        now = monotonic()
        self.took, self.latest[session] = now - begun, now
        gone = now - 2 * SLOWEST_SECONDS
        seen = self.latest.copy()  # other sessions' threads write into it meanwhile
        self.latest = {one: at for one, at in seen.items() if at > gone}

    def interval(self, seconds: float) -> float:
        """Return the seconds from one drawing to the next, at least those that are given."""
        rest = self.took * len(self.latest) / SHARE
        return max(seconds, min(SLOWEST_SECONDS, rest))


_drawings: defaultdict[str, Drawings] = defaultdict(Drawings)


def ticking_panel(
    draw: Callable[[], bool],
    seconds: float = POLL_SECONDS,
    what: Callable[..., object] | None = None,
) -> None:
    """Draw what changes by itself, and the whole page anew once it does so no longer.

    Args:
        draw: Draws it as it is; returns False, and draws nothing, once it has ended.
        seconds: From one drawing to the next, if it does not take long.
        what: By whose pace it is drawn: that of ``draw``, unless that draws different things.
    """
    what = what or draw
    drawings = _drawings[f"{what.__module__}.{what.__qualname__}"]
    every = max(HEARTBEAT_SECONDS, 2 * drawings.interval(seconds))
    st.fragment(_wound_up, run_every=every)(draw, seconds, drawings)


def _wound_up(draw: Callable[[], bool], seconds: float, drawings: Drawings) -> None:
    """Draw what ticks, and wind it up anew now and then: a browser may lose a timer."""
    st.fragment(_ticking, run_every=drawings.interval(seconds))(draw, drawings)


def _ticking(draw: Callable[[], bool], drawings: Drawings) -> None:
    begun = monotonic()
    if not draw():
        st.rerun()
    drawings.note(session_id(), begun)
