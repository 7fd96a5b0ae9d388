"""What the Glossary's words mean, where each first stands on a page: shown at the pointer.

hover.js underlines them by the browser's highlights, which change nothing of the page itself. Who
has no pointer finds the same behind the "?" and on the Glossary.
"""

import json

import streamlit as st

from dashboard.components.browser_files import script, style
from dashboard.shell.glossary import pattern_of
from dashboard.shell.terms import TERMS

_PLACE = "/* the terms */ []"


def hovers() -> None:
    """Add to the page what shows meanings at the pointer."""
    st.html(style(__file__))
    st.html(script(__file__).replace(_PLACE, _terms()), unsafe_allow_javascript=True)


def _terms() -> str:
    """Return the terms that are recognised in texts as JSON that may stand in a script."""
    found = [(term, *pattern_of(term)) for term in TERMS if term.words]
    told = [[term.name, term.meaning, pattern, any_case] for term, pattern, any_case in found]
    return json.dumps(told, ensure_ascii=False).replace("<", "\\u003c")
