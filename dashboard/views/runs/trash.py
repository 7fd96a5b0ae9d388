"""The trash: deleted runs, to be put back or deleted for ever; and what the store takes."""

import pandas as pd
import streamlit as st

from dashboard.shell.clock import time_column
from dashboard.shell.messages import explained
from dashboard.views.runs.ticked import changed, revision
from sdlab.models.memory import readable
from sdlab.runs import TRASH
from sdlab.runs.index import RunIndex
from sdlab.runs.row import read_row
from sdlab.runs.search import Search
from sdlab.runs.shards import bytes_of
from sdlab.runs.trash import Deleted, empty_trash, list_trash, restore_run

SHOWN = 500


def trash(index: RunIndex) -> None:
    """Draw the runs in the trash and what can be done with them."""
    found = list_trash(index.root)
    kept = index.totals(Search(problem=None)).bytes + bytes_of(index.root)
    thrown = sum(deleted.bytes for deleted in found)
    st.caption(f"Stored runs take {readable(kept)}, those in the trash {readable(thrown)}.")
    if not found:
        st.info("The trash is empty.", icon=":material/delete:")
        return
    frame = trash_table(index, found[:SHOWN])
    place = st.container(horizontal=True, vertical_alignment="center")
    event = st.dataframe(
        frame,
        key=f"runs.trash.{revision()}.{len(found)}",
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "prompt": st.column_config.TextColumn("Prompt", width="large"),
            "solver": st.column_config.TextColumn("Sampler", width="medium"),
            "seed": st.column_config.TextColumn("Seed"),
            "deleted": time_column("Deleted"),
            "size": st.column_config.TextColumn("Size"),
            "id": st.column_config.TextColumn("Id"),
        },
        alt="Deleted runs, the last first",
    )
    with place:
        _restore(index, frame["id"].iloc[event.selection.rows].tolist())
        _empty(index, len(found))


def trash_table(index: RunIndex, found: list[Deleted]) -> pd.DataFrame:
    """Return what the list shows of deleted runs."""
    rows = [read_row(index.root / TRASH / deleted.run) for deleted in found]
    return pd.DataFrame(
        {
            "prompt": [row.get("prompt", row["problem"]) for row in rows],
            "solver": [row.get("solver", "") for row in rows],
            "seed": [str(row.get("seed", "")) for row in rows],
            "deleted": [deleted.deleted for deleted in found],
            "size": [readable(deleted.bytes) for deleted in found],
            "id": [deleted.run for deleted in found],
        }
    )


def _restore(index: RunIndex, runs: list[str]) -> None:
    pressed = st.button(
        "Put back" if not runs else f"Put back {len(runs)}", key="runs.restore",
        icon=":material/restore_from_trash:", disabled=not runs, help="The ticked runs.",
    )  # fmt: skip
    if pressed:
        with explained():
            for run in runs:
                restore_run(index.root, run)
        changed()


def _empty(index: RunIndex, count: int) -> None:
    with st.popover("Empty the trash", icon=":material/delete_forever:"):
        st.text(f"Delete {count} run{'' if count == 1 else 's'} for ever?")
        pressed = st.button("Delete for ever", key="runs.empty", type="primary")
    if pressed:
        with explained():
            empty_trash(index.root)
        changed()
