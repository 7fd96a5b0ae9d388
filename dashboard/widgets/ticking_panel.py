"""A part of a page that draws itself again and again, until what it shows has ended."""

from collections.abc import Callable

import streamlit as st

POLL_SECONDS = 0.4
HEARTBEAT_SECONDS = 5.0


def ticking_panel(draw: Callable[[], bool]) -> None:
    """Draw what changes by itself, and the whole page anew once it does so no longer.

    Args:
        draw: Draws it as it is; returns False, and draws nothing, once it has ended.
    """
    _wound_up(draw)


@st.fragment(run_every=HEARTBEAT_SECONDS)
def _wound_up(draw: Callable[[], bool]) -> None:
    """Draw what ticks, and wind it up anew now and then: a browser may lose a timer."""
    _ticking(draw)


@st.fragment(run_every=POLL_SECONDS)
def _ticking(draw: Callable[[], bool]) -> None:
    if not draw():
        st.rerun()
