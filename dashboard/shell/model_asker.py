"""Which model this browser session works with, and whether it may have any or those offered."""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.serving import serving
from dashboard.shell.login_needs import listens_here
from dashboard.shell.visitor import visitor
from dashboard.worker.snapshots import Asker

_CHOSEN = "chosen_model"


def choose(name: str) -> None:
    """Let this session's pages use a model, whatever others choose."""
    st.session_state[_CHOSEN] = name


def asker() -> Asker:
    """Return who calls the worker, as far as models go; no page is whoever runs the server."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return Asker()
    return Asker(st.session_state.get(_CHOSEN, ""), may_have_any(), visitor().id)


def may_have_any() -> bool:
    """Return whether who looks at this page may have models beside those offered.

    An operator may. Without login so may whoever is at this machine, as nobody else is answered.
    """
    return visitor().operator if serving().login else listens_here()
