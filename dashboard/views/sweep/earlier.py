"""The sweeps that were made here, to open again."""

from functools import lru_cache, partial
from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard.shell.clock import time_column
from dashboard.shell.lab import lab
from dashboard.shell.messages import sentence
from dashboard.shell.visitor import visitor
from dashboard.views.sweep.making import task
from dashboard.views.sweep.states import file_age
from dashboard.views.sweep.words import in_words
from dashboard.widgets.stored_list import stored_list
from sdlab.errors import StoreError
from sdlab.runs.sweep_parts import TABLE
from sdlab.sweeping.result import stored_states
from sdlab.sweeping.sweep_folder import SweepFolder, list_sweeps

SHOWN = 50


def earlier(page: str) -> None:
    """Draw the list of stored sweeps, the latest first; a selected row opens."""
    columns = {
        "sweep": st.column_config.TextColumn("What varies", width="large"),
        "state": st.column_config.TextColumn("State", width="medium"),
        "pictures": st.column_config.NumberColumn("Pictures", width="small"),
        "asked": time_column("Asked for"),
    }
    stored_list(
        listed(lab().runs),
        f"{page}.earlier",
        columns,
        opens=("sweep", "id"),
        alt="Stored sweeps, latest first",
        throw=partial(lab().owned.delete, "sweep", by=visitor().id),
        kind="sweep",
        title="Earlier sweeps",
        height=330,
    )


def listed(runs: Path) -> pd.DataFrame:
    """Return the stored sweeps, the latest first."""
    rows = [_row(runs, sweep, asked) for sweep, asked in list_sweeps(runs)[:SHOWN]]
    return pd.DataFrame(rows, columns=["sweep", "state", "pictures", "asked", "id"])


def _row(runs: Path, name: str, asked: float) -> dict[str, object]:
    row: dict[str, object] = {"id": name, "asked": pd.Timestamp(asked, unit="s", tz="UTC")}
    try:
        words, count = _facts(runs, name, asked)
        counts = _counts(runs, name, file_age(runs, name, TABLE))
    except StoreError as error:
        return row | {"sweep": f"cannot be read: {sentence(error)}"[:200], "state": ""}
    view = task(name)
    said = ", ".join(f"{n:,} {state}" for state, n in counts.items()) or "not finished"
    said = "being made" if view is not None and view.live else said
    return row | {"sweep": words, "state": said, "pictures": count}


@lru_cache(maxsize=4 * SHOWN)
def _counts(runs: Path, name: str, changed: int) -> dict[str, int]:
    """Return how many pictures are in which state; ``changed`` is the table's age."""
    return stored_states(runs, name)


@lru_cache(maxsize=4 * SHOWN)
def _facts(runs: Path, name: str, asked: float) -> tuple[str, int]:
    """Return a sweep in words and its size; ``asked`` is its file's age, for the cache."""
    base, axes = SweepFolder(runs, name).asked()
    count = 1
    for axis in axes:
        count *= len(axis.values)
    return in_words(base, axes), count
