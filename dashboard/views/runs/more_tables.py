"""Downloads of one table of many runs: steps, channels, tokens, timings, attention."""

import streamlit as st

from dashboard.shell.routes import runs_table_url
from sdlab.columns import OPTIONAL_TABLES, TABLES
from sdlab.runs.search import Search

_ABOUT = {
    "steps": "a row a network evaluation",
    "channels": "a row an evaluation and latent channel",
    "tokens": "a row a token of the prompts",
    "timings": "a row a timed stage",
    "attention": "a row an evaluation, layer and token, of runs that recorded attention",
}


def more_tables(search: Search, key: str, disabled: bool = False) -> None:
    """Draw, behind a button, the links to the tables of all runs that a search finds.

    Args:
        search: What is looked for; with ids, "Their tables".
        key: For the widget keys.
        disabled: Whether there is nothing to download.
    """
    label = "Their tables" if search.run or disabled else "Tables of all"
    with st.popover(label, icon=":material/table:", key=key, disabled=disabled):
        st.caption("One file with the rows of all these runs; each row says whose it is.")
        for name in (*TABLES, *OPTIONAL_TABLES):
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
                st.markdown(f"**{name}**, {_ABOUT[name]}")
                for kind, label in (("csv", "CSV"), ("parquet", "Parquet")):
                    st.link_button(
                        label, runs_table_url(search, kind, name),
                        key=f"{key}.{name}_{kind}", type="tertiary", icon=":material/download:",
                    )  # fmt: skip
