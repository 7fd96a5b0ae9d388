"""How far the server is with reading the run folders, where there are many new ones."""

import streamlit as st

from sdlab.runs.index import RunIndex
from sdlab.runs.search import Search

AT_ONCE_SECONDS = 0.5
A_TICK_SECONDS = 0.7


def reading(index: RunIndex) -> None:
    """Read what is new in the store; if that takes longer, draw how far it is and go on."""
    left = index.refresh(AT_ONCE_SECONDS)
    if left:
        _progress(index)


@st.fragment(run_every=1)
def _progress(index: RunIndex) -> None:
    left = index.refresh(A_TICK_SECONDS)
    if not left:
        st.rerun()
    known = index.totals(Search(problem=None)).runs
    text = f"Reading run folders: {known:,} of {known + left:,}. What is not read is not found yet."
    st.progress(known / (known + left), text=text)
