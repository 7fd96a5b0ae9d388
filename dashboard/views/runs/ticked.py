"""The ticked runs: one choice for table and gallery, all their pages and every search.

Rows are ticked; a comparison's row stands for the runs that were found of it.
"""

from collections.abc import Collection, Mapping

import pandas as pd
import streamlit as st

from dashboard.views.runs.rows import FOLD, ROW, runs_of
from sdlab.runs.index import RunIndex
from sdlab.runs.search import Search

_TICKED, _REVISION = "runs.ticked", "runs.revision"


def revision() -> int:
    """Return how often all ticks of this session were taken away."""
    return st.session_state.get(_REVISION, 0)


def untick() -> None:
    """Take all ticks away."""
    st.session_state[_REVISION] = revision() + 1
    st.session_state.pop(_TICKED, None)


def changed() -> None:
    """Take all ticks away after stored runs were changed, and draw the page anew."""
    untick()
    st.rerun()


def is_ticked(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Return which of some rows are ticked."""
    return rows[ROW].isin(list(_ticked()))


def tick(rows: pd.DataFrame, chosen: Collection[str], index: RunIndex, search: Search) -> None:
    """Note which of the rows that are shown are ticked; those that are not shown stay as they are.

    Args:
        rows: That are shown.
        chosen: The names of the ticked ones.
        index: Of the runs.
        search: What found them.
    """
    shown, before = set(rows[ROW]), _ticked()
    kept = {name: runs for name, runs in before.items() if name not in shown or name in chosen}
    if fresh := [name for name in chosen if name not in before]:
        kept |= runs_of(rows[rows[ROW].isin(fresh)], index, search)
    st.session_state[_TICKED] = kept


def ticked_runs(index: RunIndex, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the ticked runs that are still stored, in the order of their ticks.

    Args:
        index: Of the runs.
        rows: Any rows, for the columns where none is ticked.
    """
    ids = list(dict.fromkeys(run for runs in _ticked().values() for run in runs))
    if not ids:
        return rows.iloc[:0]
    found = index.find(Search(problem=None, run=tuple(ids))).set_index("run", drop=False)
    return found.loc[[run for run in ids if run in found.index]].reset_index(drop=True)


def ticked_comparison() -> str:
    """Return the comparison whose row is the only one that is ticked; "" otherwise."""
    names = list(_ticked())
    return names[0].removeprefix(FOLD) if len(names) == 1 and names[0].startswith(FOLD) else ""


def not_shown(rows: pd.DataFrame) -> int:
    """Return how many ticked runs stand in none of some rows."""
    shown = set(rows[ROW])
    return len({run for name, runs in _ticked().items() if name not in shown for run in runs})


def _ticked() -> Mapping[str, tuple[str, ...]]:
    return st.session_state.get(_TICKED, {})
