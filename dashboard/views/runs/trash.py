"""The trash: what was deleted, to be put back or deleted for ever; and what the store takes."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.shell.clock import time_column
from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, sentence, without_places
from dashboard.shell.visitor import visitor
from dashboard.views.runs.ticked import changed, revision
from sdlab.errors import StoreError
from sdlab.models.memory import readable
from sdlab.runs import TRASH
from sdlab.runs.grids import open_grid
from sdlab.runs.index import RunIndex
from sdlab.runs.parts import title
from sdlab.runs.row import read_row
from sdlab.runs.search import Search
from sdlab.runs.shards import bytes_of
from sdlab.runs.trash import RUN, Deleted
from sdlab.sampler_names import titled
from sdlab.sweeping.sweep_folder import SweepFolder

SHOWN = 500


def trash(index: RunIndex) -> None:
    """Draw what is in the trash and what can be done with it."""
    found = lab().owned.trash(visitor().id)
    kept = index.totals(Search(problem=None)).bytes + bytes_of(index.root)
    thrown = sum(deleted.bytes for deleted in found)
    whose = "the trash" if visitor().operator else "what is yours in the trash"
    st.caption(f"Stored runs take {readable(kept)}, {whose} {readable(thrown)}.")
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
            "kind": st.column_config.TextColumn("What", width=100),
            "prompt": st.column_config.TextColumn("Prompt, or what it is", width="large"),
            "solver": st.column_config.TextColumn("Sampler"),
            "seed": st.column_config.TextColumn("Seed"),
            "deleted": time_column("Deleted"),
            "size": st.column_config.TextColumn("Size"),
            "id": st.column_config.TextColumn("Id"),
        },
        alt="What was deleted, the last first",
    )
    if len(found) > SHOWN:
        st.caption(f"The last {SHOWN} of {len(found):,} are shown.")
    with place:
        _restore(index, [found[row] for row in event.selection.rows])
        _empty(index, len(found))


def trash_table(index: RunIndex, found: list[Deleted]) -> pd.DataFrame:
    """Return what the list shows of what was deleted."""
    rows = [_row(index.root / TRASH, deleted) for deleted in found]
    return pd.DataFrame(
        {
            "kind": [deleted.kind for deleted in found],
            "prompt": [row.get("prompt", without_places(row["problem"])) for row in rows],
            "solver": [titled(row.get("solver", "")) for row in rows],
            "seed": [str(row.get("seed", "")) for row in rows],
            "deleted": [deleted.deleted for deleted in found],
            "size": [readable(deleted.bytes) for deleted in found],
            "id": [deleted.name for deleted in found],
        }
    )


def _row(place: Path, deleted: Deleted) -> dict[str, Any]:
    """Return what is told of one deleted thing: of a run its settings, else what it is in words."""
    if deleted.kind == RUN:
        return read_row(place / deleted.name)
    row: dict[str, Any] = {"problem": "", "prompt": deleted.name}
    try:
        if deleted.kind == "comparison":
            return row | {"prompt": title(place, deleted.name)}
        if deleted.kind == "sweep":
            base, axes = SweepFolder(place, deleted.name).asked()
        elif deleted.kind == "grid" and (grid := open_grid(place, deleted.name)) is not None:
            base, axes = grid.base, grid.axes
        else:
            return row
    except StoreError as error:
        return row | {"prompt": sentence(error)}
    fields = " x ".join(axis.field.replace("_", " ") for axis in axes)
    return row | {"prompt": f"{fields}: {base.prompt}", "solver": base.solver}


def _restore(index: RunIndex, ticked: list[Deleted]) -> None:
    pressed = st.button(
        "Put back" if not ticked else f"Put back {len(ticked)}", key="runs.restore",
        icon=":material/restore_from_trash:", disabled=not ticked, help="What is ticked.",
    )  # fmt: skip
    if pressed:
        with explained():
            for deleted in ticked:
                lab().owned.restore(deleted.kind, deleted.name, visitor().id)
        changed()


def _empty(index: RunIndex, count: int) -> None:
    with st.popover("Empty the trash", icon=":material/delete_forever:"):
        st.text(f"Delete for ever all {count:,} that are here?")
        pressed = st.button("Delete for ever", key="runs.empty", type="primary")
    if pressed:
        with explained():
            lab().owned.empty_trash(visitor().id)
        changed()
