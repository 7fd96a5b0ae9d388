"""The tables of a run on a page: each with its columns explained and its CSV."""

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard.widgets.downloads import csv_button
from sdlab.columns import TABLES, TOKENIZER

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

_TITLES = {
    "steps": "Steps",
    "channels": "Channels",
    "tokens": "Tokens",
    "timings": "Timings",
}
_ABOUT = {
    "steps": "One row a network evaluation.",
    "channels": "One row an evaluation and latent channel.",
    "tokens": "One row a place in the tokenizer's sequence; what was cut comes last.",
    "timings": "One row a timed stage.",
}


def show_tables(run: str, tables: dict[str, pd.DataFrame]) -> None:
    """Draw the tables in tabs, each with a CSV download."""
    tabs = st.tabs([_TITLES[name] for name in tables])
    for tab, (name, frame) in zip(tabs, tables.items(), strict=True):
        with tab, st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{_ABOUT[name]} {len(frame):,} rows.", width="stretch")
            about = f"The {name} table, {len(frame):,} rows"
            csv_button(frame, f"{run}-{name}", f"run.csv_{name}", about=about)
        tab.dataframe(
            frame.drop(columns="run", errors="ignore"),
            hide_index=True,
            height=330,
            column_config=_columns(name),
            alt=f"Table of {name}",
        )


def _columns(table: str) -> "dict[str, ColumnConfig]":
    out = {}
    columns = TABLES[table] | (TOKENIZER if table == "tokens" else {})
    for name, (unit, meaning) in columns.items():
        out[name] = st.column_config.Column(name, help=f"{meaning} ({unit})" if unit else meaning)
    return out
