"""A table on a page with a line about it, and its CSV or Parquet download."""

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.widgets.downloads import csv_button, parquet_button

if TYPE_CHECKING:
    import pandas as pd


def csv_table(
    frame: "pd.DataFrame",
    name: str,
    key: str,
    about: str,
    columns: dict[str, Any] | None = None,
    shown: bool = True,
    parquet: bool = False,
) -> None:
    """Draw a table and a button that downloads it.

    Args:
        frame: The table.
        name: Of the file, without its ending.
        key: Of the button.
        about: What it holds, a sentence.
        columns: Streamlit's column config.
        shown: Whether to draw the table too, not the button alone.
        parquet: Whether to offer it as Parquet too.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        said = f"{about} {len(frame):,} row{'' if len(frame) == 1 else 's'}."
        # The tools of a table come over what is above its upper right corner.
        st.caption(said, width="content" if shown else "stretch")
        csv_button(frame, name, key, about=f"{about} As CSV.")
        if parquet:
            parquet_button(frame, name, f"{key}_parquet", f"{about} As Parquet.")
    if shown:
        height = min(330, 38 + 35 * len(frame))
        st.dataframe(
            frame,
            hide_index=True,
            height=height,
            column_config=columns or {},
            placeholder="",
            alt=about,
        )
