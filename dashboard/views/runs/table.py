"""The table of runs: rows to tick, and what can be done with those that are ticked."""

import hashlib
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard.shell.clock import time_column
from dashboard.shell.lab import lab
from dashboard.views.runs.actions import actions, revision
from dashboard.widgets.pictures import thumbnail
from sdlab.runs.index import RunIndex, Totals
from sdlab.runs.search import Search
from sdlab.sampler_names import titled

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

ROW = 64
LETTER = 8
"""Pixels of a row, and of a letter at most."""
_SHOWN = "runs.shown"
_COUNTED = "runs.counted"


def table(index: RunIndex, search: Search, limit: int, offset: int) -> None:
    """Draw one page of the runs that a search finds, and the actions on those that are ticked."""
    key = f"runs.table.{digest(search, limit, offset, revision())}"
    stored = _rows(key, index, search, limit, offset)
    place = st.container()
    frame = shown(stored)
    event = st.dataframe(
        frame,
        key=key,
        hide_index=True,
        row_height=ROW,
        height=min(720, 45 + ROW * len(frame)),
        on_select="rerun",
        selection_mode="multi-row",
        column_config=_columns(frame),
        alt="Stored runs",
    )
    broken = stored["path"][frame["picture"].isna().to_numpy()]
    pictures = [f"The picture of {path} cannot be read." for path in broken]
    fold_problems(pictures, "picture", "pictures")
    with place:
        actions(stored.iloc[event.selection.rows])


def digest(*values: object) -> str:
    """Return a text for a widget's key that is another for other values."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def _rows(key: str, index: RunIndex, search: Search, limit: int, offset: int) -> pd.DataFrame:
    """Return the rows; while some are ticked they stay, whatever is made in the meantime.

    The browser tells what is ticked by the rows' places.
    """
    known, rows = st.session_state.get(_SHOWN, ("", None))
    if known == key and _ticked(key):
        return rows
    rows = index.find(search, limit, offset)
    st.session_state[_SHOWN] = (key, rows)
    return rows


def counted(index: RunIndex, search: Search) -> Totals:
    """Return the numbers of what a search finds; while rows are ticked, of when they were found."""
    of = (search, revision())
    known, totals = st.session_state.get(_COUNTED, (None, None))
    if known == of and _ticked(st.session_state.get(_SHOWN, ("",))[0]):
        return totals
    totals = index.totals(search)
    st.session_state[_COUNTED] = (of, totals)
    return totals


def _ticked(key: str) -> bool:
    """Return whether rows are ticked; none are where another page was shown in between."""
    state = st.session_state.get(key)
    return state is not None and bool(state.selection.rows)


def shown(stored: pd.DataFrame) -> pd.DataFrame:
    """Return what the table shows of runs: picture, words, settings."""
    created = stored["created"]
    return pd.DataFrame(
        {
            "picture": [thumbnail(*key) for key in zip(stored["path"], created, strict=True)],
            "star": ["★" if star else "" for star in stored["star"]],
            "made": created,
            "prompt": stored["prompt"],
            "solver": stored["solver"].map(titled),
            "steps": stored["num_steps"],
            "CFG": stored["guidance_scale"],
            "seed": stored["seed"].astype(str),
            "size": [f"{w} x {h}" for w, h in zip(stored["width"], stored["height"], strict=True)],
            "seconds": stored["seconds"],
            "tags": stored["tags"],
            "note": stored["note"],
            "model": stored["model"],
            "id": stored["run"],
        }
    ).reset_index(drop=True)


def damaged(index: RunIndex) -> None:
    """Draw what is wrong with the folders and notes that cannot be read."""
    folders = index.find(Search(problem=True))["problem"].tolist()
    fold_problems(folders, "run folder", "run folders")
    fold_problems(lab().unreadable(), "note of an interrupted run", "notes of interrupted runs")


def fold_problems(problems: list[str], one: str, many: str) -> None:
    """Draw, folded away, what is wrong with damaged things, called ``one`` or ``many``."""
    if problems:
        what = one if len(problems) == 1 else many
        with st.expander(f"{len(problems):,} damaged {what}", icon=":material/warning:"):
            for problem in problems[:20]:
                st.text(problem)


def _columns(frame: pd.DataFrame) -> "dict[str, ColumnConfig]":
    column = st.column_config
    longest = max(map(len, frame["solver"]), default=0)
    return {
        "picture": column.ImageColumn("Picture", width="small"),
        "star": column.TextColumn("★", width=40),
        "prompt": column.TextColumn("Prompt", width="medium"),
        "solver": column.TextColumn("Sampler", width=24 + LETTER * longest),
        "steps": column.NumberColumn("Steps", width="small"),
        "CFG": column.NumberColumn("CFG", width="small", format="%.3g"),
        "seed": column.TextColumn("Seed"),
        "size": column.TextColumn("Size (px)"),
        "seconds": column.NumberColumn("Seconds", width="small", format="%.2f"),
        "tags": column.TextColumn("Tags"),
        "note": column.TextColumn("Note"),
        "model": column.TextColumn("Model"),
        "made": time_column("Made"),
        "id": column.TextColumn("Id"),
    }
