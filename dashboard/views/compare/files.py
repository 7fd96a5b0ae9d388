"""The downloads of a comparison: one zip, its link, the Python that makes it again."""

import streamlit as st

from dashboard.shell.navigation import page_path
from dashboard.shell.routes import comparison_zip_url, page_url
from dashboard.widgets.report_button import report_button
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.result import Result
from sdlab.reproducing.snippet import comparison_snippet


def files(page: str, result: Result) -> None:
    """Draw the downloads and links of a result."""
    st.header("Files and link", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.link_button(
            "Download all (zip)",
            comparison_zip_url(result.id),
            key=f"{page}.zip",
            icon=":material/folder_zip:",
            help="Verdict, every table as Parquet and CSV, and all pictures.",
        )
        st.link_button(
            "With every run (zip)",
            comparison_zip_url(result.id, runs=True),
            key=f"{page}.zip_runs",
            type="tertiary",
            icon=":material/folder_zip:",
            help="The same, and in its folder `runs` every run and reference with tensors, tables "
            "and manifest. Moved into your own folder of runs, they open there.",
        )
        report_button(f"{page}.report", result.id)
        st.link_button(
            "Link to this comparison",
            page_url(f"compare?id={result.id}"),
            key=f"{page}.link",
            type="tertiary",
            icon=":material/link:",
        )
        st.page_link(page_path("runs"), label="All runs", icon=":material/grid_view:")
    _code(page, result.comparison)


@st.fragment
def _code(page: str, comparison: Comparison) -> None:
    """Draw the Python once it is asked for: colouring it takes the browser a moment."""
    place = st.expander("Make it again in Python", key=f"{page}.code", on_change="rerun")
    if place.open:
        place.code(comparison_snippet(comparison), language="python")
