"""The button that downloads a report."""

import streamlit as st

from dashboard.report.routes import report_url

_ABOUT = (
    "One HTML file with the charts, pictures, settings and tables, and how to make it again. It "
    "opens without a network and is below 10 MB. Making it takes some seconds."
)


def report_button(key: str, *ids: str, disabled: bool = False) -> None:
    """Draw the button for the report of a run, comparison, sweep or grid, or of several runs.

    Args:
        key: Of the button.
        ids: What it is of.
        disabled: Whether it cannot be pressed.
    """
    st.link_button(
        "Report (HTML)",
        report_url(*ids),
        key=key,
        type="tertiary",
        icon=":material/lab_profile:",
        help=_ABOUT,
        disabled=disabled,
    )
