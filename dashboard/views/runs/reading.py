"""How far the server is with reading the run folders, where there are many new ones.

They are read in the turns of the page's own script, some at each, the newest first; what is read
is found meanwhile. A person may stop that; it goes on where it was when asked to.
"""

import streamlit as st

from sdlab.runs.index import RunIndex
from sdlab.runs.search import Search

AT_ONCE_SECONDS = 0.5
A_TICK_SECONDS = 0.7
_STOPPED = "runs.reading_stopped"


def reading(index: RunIndex) -> None:
    """Read what is new in the store; if that takes longer, draw how far it is and go on."""
    stopped = st.session_state.get(_STOPPED, False)
    left = index.refresh(0.0 if stopped else AT_ONCE_SECONDS)
    if not left:
        st.session_state.pop(_STOPPED, None)
    elif stopped:
        _standing(index, left)
    else:
        _going_on(index)


@st.fragment(run_every=1)
def _going_on(index: RunIndex) -> None:
    if st.session_state.get(_STOPPED):
        st.rerun()
    left = index.refresh(A_TICK_SECONDS)
    if not left:
        st.rerun()
    _line(index, left, "Reading run folders, the newest first", "Stop", "stop_circle")


def _standing(index: RunIndex, left: int) -> None:
    _line(index, left, "Stopped reading run folders", "Read on", "play_circle")


def _line(index: RunIndex, left: int, said: str, label: str, icon: str) -> None:
    """Draw how many folders are read, and the button that stops that or goes on."""
    known = index.totals(Search(problem=None)).runs
    text = f"{said}: {known:,} of {known + left:,}. What is not read is not found yet."
    with st.container(horizontal=True, vertical_alignment="center", key="runs_reading"):
        st.progress(known / (known + left), text=text)
        st.button(
            label, key="runs.reading", icon=f":material/{icon}:", on_click=_turn,
            help="What is read is kept, and found.",
        )  # fmt: skip


def _turn() -> None:
    st.session_state[_STOPPED] = not st.session_state.get(_STOPPED, False)
