"""The stored grids of pictures, whose rows open."""

from functools import partial

import pandas as pd
import streamlit as st

from dashboard.shell.clock import time_column
from dashboard.shell.lab import lab
from dashboard.shell.navigation import link_to, page_path
from dashboard.shell.visitor import visitor
from dashboard.views.runs.table import fold_problems
from dashboard.widgets.stored_list import stored_list
from sdlab.experiment.axis import Axis
from sdlab.runs.contact_sheet import in_common
from sdlab.runs.grids import StoredGrid, list_grids
from sdlab.runs.index import RunIndex

SHOWN = 200
AXIS_VALUES = 6
_EMPTY = 'No grid is stored yet. The fold "Seeds and grid" of the Experiment page makes one.'


def grids(index: RunIndex) -> None:
    """Draw the stored grids; a selected row opens on the Experiment page."""
    link_to("sweep", "Sweeps: more pictures, measured")
    stored = list_grids(index.root)
    fold_problems([grid.problem for grid in stored if grid.grid is None], "grid", "grids")
    frame = grids_table(stored).head(SHOWN)
    if frame.empty:
        st.info(_EMPTY, icon=":material/grid_view:")
        st.page_link(page_path("experiment"), label="Experiment", icon=":material/science:")
        return
    columns = {
        "varied": st.column_config.TextColumn("What varies", width="medium"),
        "common": st.column_config.TextColumn("In common", width="large"),
        "pictures": st.column_config.NumberColumn("Pictures", width="small"),
        "asked": time_column("Asked for"),
    }
    alt = "Stored grids, latest first"
    throw = partial(lab().owned.delete, "grid", by=visitor().id)
    opens = ("experiment", "grid")
    stored_list(frame, "runs.grids", columns, opens=opens, alt=alt, throw=throw, kind="grid")


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
