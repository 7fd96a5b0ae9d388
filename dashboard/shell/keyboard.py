"""The keys of every page.

Ctrl+Enter presses the page's Run button from any field, by Streamlit's shortcut ``RUN``, which one
button of a page has. What Streamlit does not do is in keyboard.js: Enter does it too in a field of
one line, in a container whose key ends in ``_form``; Tab passes the "?" beside labels by, and F1
opens the one of the field.
"""

import streamlit as st

from dashboard.components.browser_files import script

RUN = "Ctrl+Enter"


def keys() -> None:
    """Add the keys to the page."""
    st.html(script(__file__), unsafe_allow_javascript=True)
