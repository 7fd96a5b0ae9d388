"""The table of runs: rows to tick, comparisons to open."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.shell.clock import time_column
from dashboard.shell.lab import lab
from dashboard.shell.messages import without_places
from dashboard.views.runs.actions import actions
from dashboard.views.runs.rows import FOLD, ROW, Listed, digest, opened, turn
from dashboard.views.runs.ticked import is_ticked, revision, tick
from dashboard.views.runs.whose import in_words
from dashboard.widgets.pictures import thumbnail
from sdlab.runs.folding import PARTS, UNDER
from sdlab.runs.index import RunIndex, Totals
from sdlab.runs.parts import title
from sdlab.runs.search import Search
from sdlab.sampler_names import titled

HIGH = 64
LETTER = 8
"""Pixels of a row, and of a letter at most."""
_SHOWN = "runs.shown"
_COUNTED = "runs.counted"
_TURNED = "runs.turned"


def table(index: RunIndex, listed: Listed) -> None:
    """Draw one page of a list of runs, and the actions on those that are ticked."""
    key = f"runs.table.{digest(*listed, listed.opened, revision())}"
    stored = _rows(key, index, listed)
    place = st.container()
    frame = shown(stored, index)
    before = is_ticked(stored).to_numpy().nonzero()[0].tolist()
    event = st.dataframe(
        frame,
        key=key,
        hide_index=True,
        row_height=HIGH,
        height=min(720, 45 + HIGH * len(frame)),
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": before, "columns": [], "cells": []}},
        column_config=_columns(frame),
        placeholder="",
        alt="Stored runs",
    )
    broken = stored["path"][frame["picture"].isna().to_numpy()]
    pictures = [f"The picture of {path} cannot be read." for path in broken]
    fold_problems(pictures, "picture", "pictures")
    tick(stored, stored[ROW].iloc[event.selection.rows].tolist(), index, listed.search)
    with place:
        actions(index, stored)


def _rows(key: str, index: RunIndex, listed: Listed) -> pd.DataFrame:
    """Return the rows; while some are ticked they stay, whatever is made in the meantime.

    The browser tells what is ticked by the rows' places.
    """
    known, rows = st.session_state.get(_SHOWN, ("", None))
    if known == key and _ticked(key):
        return rows
    rows = listed.rows(index)
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


def shown(stored: pd.DataFrame, index: RunIndex) -> pd.DataFrame:
    """Return what the table shows of rows: picture, words, settings; of a comparison its name."""
    created, folds = stored["created"], stored[PARTS] > 0
    sizes = zip(stored["width"], stored["height"], strict=True)
    frame = pd.DataFrame(
        {
            "picture": [thumbnail(*key) for key in zip(stored["path"], created, strict=True)],
            "parts": [_turner(*one) for one in zip(stored[ROW], stored[PARTS], strict=True)],
            "star": ["★" if star else "" for star in stored["star"]],
            "made": created,
            "prompt": [_words(*one) for one in zip(stored["prompt"], stored[UNDER], strict=True)],
            "owner": stored["owner"].map(in_words),
            "solver": stored["solver"].map(titled),
            "steps": stored["num_steps"],
            "CFG": stored["guidance_scale"],
            "seed": stored["seed"].astype(str),
            "size": [f"{w} x {h}" for w, h in sizes],
            "seconds": stored["seconds"],
            "tags": stored["tags"],
            "note": stored["note"],
            "model": stored["model"],
            "id": stored["run"],
        }
    )
    if not stored["owner"].any():  # as where nobody signs in
        frame = frame.drop(columns="owner")
    if not folds.any():
        return frame.drop(columns="parts")
    names = [title(index.root, name) for name in stored["comparison"][folds]]
    frame.loc[folds, ["star", "solver", "seed", "tags", "note"]] = ""
    frame.loc[folds, ["steps", "CFG", "seconds"]] = None
    frame.loc[folds, "prompt"] = names
    frame.loc[folds, "id"] = stored["comparison"][folds]
    return frame


def _words(prompt: str, under: bool) -> str:
    return f"└ {prompt}" if under else prompt


def _turner(row: str, parts: int) -> str:
    """Return what the button of a comparison's row says; "" for a run."""
    if not parts:
        return ""
    mark = "expand_more" if row.removeprefix(FOLD) in opened() else "chevron_right"
    return f":material/{mark}: {parts:,} run{'' if parts == 1 else 's'}"


def _turn() -> None:
    """Open or fold the comparison whose button was pressed."""
    _, rows = st.session_state.get(_SHOWN, ("", None))
    at = st.session_state[_TURNED]["row"]
    if rows is not None and at < len(rows) and rows[PARTS].iloc[at]:
        turn(rows["comparison"].iloc[at])


def damaged(index: RunIndex) -> None:
    """Draw what is wrong with the folders and notes that cannot be read."""
    broken = Search(problem=True)
    if index.totals(broken).runs:
        fold_problems(index.find(broken)["problem"].tolist(), "run folder", "run folders")
    fold_problems(
        lab().known_runs.unreadable(), "note of an interrupted run", "notes of interrupted runs"
    )


def fold_problems(problems: list[str], one: str, many: str) -> None:
    """Draw, folded away, what is wrong with damaged things, called ``one`` or ``many``."""
    if problems:
        what = one if len(problems) == 1 else many
        with st.expander(f"{len(problems):,} damaged {what}", icon=":material/warning:"):
            for problem in problems[:20]:
                st.text(without_places(problem))


def _columns(frame: pd.DataFrame) -> dict[str, Any]:
    column = st.column_config
    longest = max(map(len, frame["solver"]), default=0)
    help = "The runs of a comparison or sweep. A click shows them below it, or folds them away."
    turner = column.ButtonColumn(
        "Parts", width=100, type="tertiary", key=_TURNED, on_click=_turn, help=help
    )
    return ({"parts": turner} if "parts" in frame else {}) | {
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
        "owner": column.TextColumn("Owner"),
        "made": time_column("Made"),
        "id": column.TextColumn("Id"),
    }
