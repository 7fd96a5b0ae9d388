"""Who looks at a page: nobody in particular on a server without login, who may do everything."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.serving import serving
from dashboard.shell.sign_in import Visitor, who

if TYPE_CHECKING:
    from starlette.datastructures import Headers


def visitor() -> Visitor:
    """Return who looks at this page.

    Raises:
        RefusedError: If nobody is signed in, or one who may not come in; the gate lets no page of
            theirs begin.
    """
    settings = serving()
    return who(_headers(), settings) if settings.login else Visitor()


def _headers() -> "Headers":
    """Return the headers with which the browser opened its connection."""
    from starlette.datastructures import Headers

    sent = st.context.headers
    pairs = [(name, value) for name in sent for value in sent.get_all(name)]
    return Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for name, value in pairs])
