"""A list of things stored before, of which a selected row opens."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.shell.navigation import page_path

_HEAD, _ROW = 38, 35  # pixels of Streamlit's tables


def stored_list(
    table: pd.DataFrame,
    key: str,
    columns: dict[str, Any],
    *,
    opens: tuple[str, str],
    alt: str,
    title: str = "",
    height: int | None = None,
) -> None:
    """Draw a table with a row a stored thing; a selected row opens on a page; of no rows, nothing.

    Args:
        table: With a column ``id``.
        key: Of the widget.
        columns: How each column is shown, as ``st.dataframe`` takes it.
        opens: The page, and the name under which its address has the id.
        alt: What the table is, for who does not see it.
        title: Of the list, which stands above it.
        height: At most, in pixels; None for that of a few rows.
    """
    if table.empty:
        return
    if title:
        st.header(title, anchor=False)
    event = st.dataframe(
        table,
        key=key,
        hide_index=True,
        height=min(height, _HEAD + _ROW * len(table)) if height else "auto",
        on_select="rerun",
        selection_mode="single-row",
        column_config=columns | {"id": st.column_config.TextColumn("Id")},
        alt=alt,
    )
    if event.selection.rows:
        page, name = opens
        chosen = str(table.iloc[event.selection.rows[0]]["id"])
        st.switch_page(page_path(page), query_params={name: chosen})
