"""What a session remembers beyond one page: its id, its own runs, and which run each page shows.

The run that a page shows is also in its URL, so that a reload and a shared link find it again; a
page switch clears the URL, and then this memory fills it.
"""

import hashlib

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.web.server.starlette.starlette_app_utils import decode_xsrf_token_string
from streamlit.web.server.starlette.starlette_server_config import XSRF_COOKIE_NAME

from dashboard.shell.address import given, keep
from dashboard.worker.sessions import session_of

OWN_KEPT = 16
_OWN = "own_runs"


def session_id() -> str:
    """Return what this browser session goes by, which says its browser too."""
    context = get_script_run_ctx()
    return session_of(context.session_id, _browser()) if context else "no session"


def _browser() -> str:
    """Return what tells this browser from others; "" of one that keeps no cookies.

    It is a hash of the token that Streamlit gives each browser against forged requests.
    """
    token, _ = decode_xsrf_token_string(st.context.cookies.get(XSRF_COOKIE_NAME, ""))
    return hashlib.sha256(token).hexdigest()[:16] if token else ""


def shown_run(page: str) -> str:
    """Return the id of the run that a page shows, or ""."""
    key = f"{page}.run"
    run = given("run") or st.session_state.get(key, "")
    if run:
        show_run(page, run)
    return run


def show_run(page: str, run: str) -> None:
    """Make a page show a run, also after a reload; "" shows none."""
    before = st.session_state.get(f"{page}.run", run)
    st.session_state[f"{page}.run"] = run
    keep("run", run)
    note_run(run)
    if run != before:  # where the viewer of the other one stood
        for name in ("layer", "step", "word"):
            keep(name, "")


def shown_id(page: str) -> str:
    """Return the id of what a page of many things shows, or "" if it shows none.

    An address of choices goes before what was on show before.
    """
    shown = given("id")
    if not shown and not any(name.startswith(f"{page}.") for name in st.query_params):
        shown = st.session_state.get(f"{page}.id", "")
    if shown:
        show_id(page, shown)
    return shown


def show_id(page: str, id: str) -> None:
    """Make a page show one of its things, also after a reload; "" shows none."""
    st.session_state[f"{page}.id"] = id
    keep("id", id)


def note_run(run: str) -> None:
    """Note a run that this session made or opened; "" is none."""
    if run:
        others = [other for other in own_runs() if other != run]
        st.session_state[_OWN] = (run, *others[: OWN_KEPT - 1])


def own_runs() -> tuple[str, ...]:
    """Return the ids of the runs that this session made or opened, the last first."""
    runs: tuple[str, ...] = st.session_state.get(_OWN, ())
    return runs


def leave(run: str) -> None:
    """Note that this session no longer watches a run that continues for others."""
    st.session_state.setdefault("left", set()).add(run)


def watches(run: str) -> bool:
    """Return whether this session counts as watching a run."""
    return run not in st.session_state.get("left", set())


def come_back(run: str) -> None:
    """Watch a run again."""
    st.session_state.get("left", set()).discard(run)
