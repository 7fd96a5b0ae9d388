"""The keys of every page.

Ctrl+Enter presses the page's Run button from any field, by Streamlit's shortcut ``RUN``, which one
button of a page has. What Streamlit does not do is in keyboard.js: Enter does it too in a field of
one line, in a container whose key ends in ``_form``; Tab passes the "?" beside labels by, and F1
opens the one of the field.
"""

from pathlib import Path

import streamlit as st

RUN = "Ctrl+Enter"
_SCRIPT = Path(__file__).with_suffix(".js").read_text("utf-8")


def keys() -> None:
    """Add the keys to the page."""
    st.html(f"<script>{_SCRIPT}</script>", unsafe_allow_javascript=True)
