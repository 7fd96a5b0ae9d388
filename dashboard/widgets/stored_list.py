"""A list of things stored before, of which a selected row opens, and each can be deleted."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.serving import serving
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain, sentence
from dashboard.shell.navigation import page_path
from sdlab.errors import SdlabError

_HEAD, _ROW = 38, 35  # pixels of Streamlit's tables
_DELETE = "Moves it to the trash, from where the Runs page puts it back. Its runs stay."


def stored_list(
    table: pd.DataFrame,
    key: str,
    columns: dict[str, Any],
    *,
    opens: tuple[str, str],
    alt: str,
    throw: Callable[[str], object],
    kind: str,
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
        throw: Moves to the trash what has an id.
        kind: Of the things, as the trash has it.
        title: Of the list, which stands above it.
        height: At most, in pixels; None for that of a few rows.
    """
    if said := st.session_state.pop(f"{key}.said", ""):
        st.error(plain(said), icon=":material/error:")
    if table.empty:
        return
    if title:
        st.header(title, anchor=False)
    table, pressed = _with_owners(table, kind), f"{key}.thrown"
    button = st.column_config.ButtonColumn(
        "Delete", width=70, type="tertiary", key=pressed, help=_DELETE,
        on_click=_thrown, args=(key, tuple(table["id"]), throw),
    )  # fmt: skip
    event = st.dataframe(
        table.assign(delete=":material/delete:"),
        key=key,
        hide_index=True,
        height=min(height, _HEAD + _ROW * len(table)) if height else "auto",
        on_select="rerun",
        selection_mode="single-row",
        column_config=columns
        | {
            "owner": st.column_config.TextColumn("Owner"),
            "id": st.column_config.TextColumn("Id"),
            "delete": button,
        },
        alt=alt,
    )
    if event.selection.rows:
        page, name = opens
        chosen = str(table.iloc[event.selection.rows[0]]["id"])
        st.switch_page(page_path(page), query_params={name: chosen})


def _with_owners(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return a list with whose each thing is; as it is where nobody signs in."""
    if not serving().login:
        return table
    owners = lab().owned.all_owners(kind)
    return table.assign(owner=[", ".join(owners.get(name, ())) for name in table["id"]])


def _thrown(key: str, ids: Sequence[str], throw: Callable[[str], object]) -> None:
    """Move the thing whose button was pressed to the trash; why that cannot be is said later."""
    name = ids[st.session_state[f"{key}.thrown"]["row"]]
    try:
        gone = throw(name) is not False
        said = "is in the trash of Runs" if gone else "is yours no longer, and its other owners'"
        st.toast(f"{name} {said}.", icon=":material/delete:")
    except SdlabError as error:
        st.session_state[f"{key}.said"] = sentence(error)
