"""The sentence below a page's title, with what its words mean."""

import streamlit as st

from dashboard.shell.glossary import definitions


def lead(words: str) -> None:
    """Draw a page's first sentence; the Glossary's words in it are told behind a "?"."""
    st.markdown(words, help=definitions(words))
