"""A part of a page that draws itself again and again, until what it shows has ended.

Everybody's pages are drawn by the process that makes the pictures, so what takes long to draw, or
takes longer since many are looking, is drawn less often.
"""

from collections.abc import Callable
from time import perf_counter

import streamlit as st

POLL_SECONDS = 0.4
HEARTBEAT_SECONDS = 5.0
REST = 9.0
"""How many times as long as it was drawn for something rests before it is drawn again."""
SLOWEST_SECONDS = 15.0

_took: dict[str, float] = {}


def ticking_panel(draw: Callable[[], bool], seconds: float = POLL_SECONDS) -> None:
    """Draw what changes by itself, and the whole page anew once it does so no longer.

    Args:
        draw: Draws it as it is; returns False, and draws nothing, once it has ended.
        seconds: From one drawing to the next, if it does not take long.
    """
    every = max(HEARTBEAT_SECONDS, 2 * interval(draw, seconds))
    st.fragment(_wound_up, run_every=every)(draw, seconds)


def interval(draw: Callable[[], bool], seconds: float) -> float:
    """Return the seconds from one drawing to the next, by what the latest of its kind took."""
    took = _took.get(_kind(draw), 0.0)
    return max(seconds, min(SLOWEST_SECONDS, (1 + REST) * took))


def _wound_up(draw: Callable[[], bool], seconds: float) -> None:
    """Draw what ticks, and wind it up anew now and then: a browser may lose a timer."""
    st.fragment(_ticking, run_every=interval(draw, seconds))(draw)


def _ticking(draw: Callable[[], bool]) -> None:
    begun = perf_counter()
    goes_on = draw()
    if not goes_on:
        st.rerun()
    _took[_kind(draw)] = perf_counter() - begun


def _kind(draw: Callable[[], bool]) -> str:
    return f"{draw.__module__}.{draw.__qualname__}"
