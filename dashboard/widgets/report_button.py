"""The button that downloads a report."""

import streamlit as st

from dashboard.report.routes import report_url

_NAME, _ICON = "Report (HTML)", ":material/lab_profile:"
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
    if disabled:  # a pale link would still be a link to whoever hears the page
        st.button(_NAME, key=f"{key}.none", type="tertiary", icon=_ICON, help=_ABOUT, disabled=True)
        return
    st.link_button(_NAME, report_url(*ids), key=key, type="tertiary", icon=_ICON, help=_ABOUT)
