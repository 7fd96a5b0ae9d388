"""The list of runs: those stored, and below them those in progress or ended early."""

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.navigation import page_path
from dashboard.views.runs.unfinished import unfinished
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.pictures import thumbnail
from sdlab.experiment.axis import Axis
from sdlab.runs.contact_sheet import in_common
from sdlab.runs.grids import StoredGrid, list_grids
from sdlab.runs.listing import list_runs
from sdlab.sampler_names import titled

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

SHOWN = 200
AXIS_VALUES = 6
_EMPTY = "No run is stored yet. The Experiment page makes the first one."


def show_runs() -> None:
    """Draw the tables of stored runs and grids, whose rows open, then the unfinished runs."""
    st.header("Stored", anchor=False)
    _stored()
    unfinished()


def _stored() -> None:
    grids = list_grids(lab().runs)
    if not grids:
        _runs()
        return
    runs, other = st.tabs(["Runs", f"Grids ({len(grids)})"])
    with runs:
        _runs()
    with other:
        _grids(grids)


def _runs() -> None:
    stored = list_runs(lab().runs)
    problems = stored[stored["problem"] != ""]["problem"].tolist()
    stored = stored[stored["problem"] == ""].head(SHOWN)
    frame = runs_table(stored)
    broken = frame["picture"].isna().to_numpy()
    problems += [f"The picture of {path} cannot be read." for path in stored["path"][broken]]
    _damaged(problems, "run folder", "run folders")
    _damaged(lab().unreadable(), "note of an interrupted run", "notes of interrupted runs")
    if stored.empty:
        st.info(_EMPTY, icon=":material/grid_view:")
        st.page_link(page_path("experiment"), label="Experiment", icon=":material/science:")
        return
    event = st.dataframe(
        frame,
        key="runs.table",
        hide_index=True,
        row_height=64,
        height=min(720, 45 + 64 * len(frame)),
        on_select="rerun",
        selection_mode="single-row",  # a cell would be chosen, and open, by Tab alone
        column_config=_columns(),
        alt="Stored runs, latest first",
    )
    about = f"The latest {SHOWN} runs." if len(frame) == SHOWN else "The stored runs."
    csv_table(stored.drop(columns=["problem"]), "runs", "runs.csv", about, shown=False)
    if event.selection.rows:
        chosen = str(frame.iloc[event.selection.rows[0]]["id"])
        st.switch_page(page_path("run"), query_params={"id": chosen})


def runs_table(stored: pd.DataFrame) -> pd.DataFrame:
    """Return what the list shows of ``sdlab.runs.listing.list_runs``: picture, words, settings."""
    created = stored["created"]
    return pd.DataFrame(
        {
            "picture": [thumbnail(*key) for key in zip(stored["path"], created, strict=True)],
            "made": created,
            "prompt": stored["prompt"],
            "solver": stored["solver"].map(titled),
            "steps": stored["num_steps"].astype("Int64"),
            "CFG": stored["guidance_scale"].astype(float),
            "seed": stored["seed"].astype(str),
            "size": [
                f"{w:g} x {h:g}" for w, h in zip(stored["width"], stored["height"], strict=True)
            ],
            "model": stored["model"],
            "id": stored["run"],
        }
    ).reset_index(drop=True)


def _grids(grids: list[StoredGrid]) -> None:
    """Draw the stored grids; a selected row opens on the Experiment page."""
    _damaged([grid.problem for grid in grids if grid.grid is None], "grid", "grids")
    frame = grids_table(grids).head(SHOWN)
    event = st.dataframe(
        frame,
        key="runs.grids",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "varied": st.column_config.TextColumn("What varies", width="medium"),
            "common": st.column_config.TextColumn("In common", width="large"),
            "pictures": st.column_config.NumberColumn("Pictures", width="small"),
            "asked": _made("Asked for"),
            "id": st.column_config.TextColumn("Id"),
        },
        alt="Stored grids, latest first",
    )
    if event.selection.rows:
        chosen = str(frame.iloc[event.selection.rows[0]]["id"])
        st.switch_page(page_path("experiment"), query_params={"grid": chosen})


def grids_table(grids: list[StoredGrid]) -> pd.DataFrame:
    """Return what the list shows of the grids that can be read."""
    rows = [
        {
            "varied": " x ".join(_axis(axis) for axis in stored.grid.axes),
            "common": in_common(stored.grid),
            "pictures": len(stored.grid.experiments),
            "asked": stored.asked,
            "id": stored.id,
        }
        for stored in grids
        if stored.grid is not None
    ]
    return pd.DataFrame(rows, columns=["varied", "common", "pictures", "asked", "id"])


def _axis(axis: Axis) -> str:
    """Return an axis as it would be typed: its field and its first values."""
    shown = [str(value) for value in axis.values[:AXIS_VALUES]]
    more = ", …" if len(axis.values) > AXIS_VALUES else ""
    return f"{axis.field.replace('_', ' ')} {', '.join(shown)}{more}"


def _columns() -> "dict[str, ColumnConfig]":
    column = st.column_config
    return {
        "picture": column.ImageColumn("Picture", width="small"),
        "prompt": column.TextColumn("Prompt", width="medium"),
        "solver": column.TextColumn("Solver"),
        "steps": column.NumberColumn("Steps", width="small"),
        "CFG": column.NumberColumn("CFG", width="small", format="%.3g"),
        "seed": column.TextColumn("Seed"),
        "size": column.TextColumn("Size (px)"),
        "model": column.TextColumn("Model"),
        "made": _made("Made"),
        "id": column.TextColumn("Id"),
    }


def _made(label: str) -> "ColumnConfig":
    """Return a column of times that reads "Today at 2:03 PM", by the browser's clock."""
    zone = st.context.timezone
    return st.column_config.DatetimeColumn(label, format="calendar", timezone=zone)


def _damaged(problems: list[str], one: str, many: str) -> None:
    if problems:
        what = one if len(problems) == 1 else many
        with st.expander(f"{len(problems)} damaged {what}", icon=":material/warning:"):
            for problem in problems[:20]:
                st.text(problem)
