"""A part of a page that draws itself again and again, until what it shows has ended."""

from collections.abc import Callable

import streamlit as st

POLL_SECONDS = 0.4
HEARTBEAT_SECONDS = 5.0


def ticking_panel(draw: Callable[[], bool], seconds: float = POLL_SECONDS) -> None:
    """Draw what changes by itself, and the whole page anew once it does so no longer.

    Args:
        draw: Draws it as it is; returns False, and draws nothing, once it has ended.
        seconds: From one drawing to the next.
    """
    _wound_up(draw, seconds)


@st.fragment(run_every=HEARTBEAT_SECONDS)
def _wound_up(draw: Callable[[], bool], seconds: float) -> None:
    """Draw what ticks, and wind it up anew now and then: a browser may lose a timer."""
    st.fragment(_ticking, run_every=seconds)(draw)


def _ticking(draw: Callable[[], bool]) -> None:
    if not draw():
        st.rerun()
