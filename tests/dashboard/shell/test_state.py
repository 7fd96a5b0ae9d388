"""A session knows its browser, and remembers the runs that it made or opened, the last first."""

import pytest
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest
from streamlit.web.server.starlette.starlette_app_utils import (
    decode_xsrf_token_string,
    generate_xsrf_token_string,
)

from dashboard.worker.sessions import person_of, tab_of


def _page(opened, made):
    import streamlit as st

    from dashboard.shell.state import note_run, own_runs, show_run

    show_run("page", opened)
    for run in made:
        note_run(run)
    st.session_state["seen"] = own_runs()


def _seen(opened, made):
    at = AppTest.from_function(_page, args=(opened, made), default_timeout=240).run()
    assert not at.exception
    return at.session_state["seen"]


def test_the_run_that_was_made_or_opened_last_comes_first():
    assert _seen("a", []) == ("a",)
    assert _seen("a", ["b", "c", "b", ""]) == ("b", "c", "a")


def test_only_the_last_few_are_remembered():
    assert _seen("a", [str(n) for n in range(99)])[:2] == ("98", "97")
    assert len(_seen("a", [str(n) for n in range(99)])) == 16


@pytest.fixture
def asking(monkeypatch):
    """Return who asks in a new tab of a browser that sends a cookie."""

    def session(cookie):
        def page():
            import streamlit as st

            from dashboard.shell.state import session_id

            st.session_state["seen"] = session_id()

        cookies = {"_streamlit_xsrf": cookie} if cookie else {}
        monkeypatch.setattr(ContextProxy, "cookies", property(lambda self: cookies))
        at = AppTest.from_function(page, default_timeout=240).run()
        assert not at.exception
        return at.session_state["seen"]

    return session


def test_the_tabs_of_a_browser_are_one_person(asking):
    """Streamlit masks its token anew with every answer, so the cookie itself changes."""
    first = generate_xsrf_token_string()
    masked = generate_xsrf_token_string(*decode_xsrf_token_string(first))
    one, two = asking(first), asking(masked)
    assert first != masked and person_of("", one) == person_of("", two) not in (one, two)
    assert person_of("", asking(generate_xsrf_token_string())) != person_of("", one)
    assert person_of("ann", one) == "ann"
    token, _ = decode_xsrf_token_string(first)
    assert token.hex() not in one and "@" not in tab_of(one)


@pytest.mark.parametrize("cookie", ["", "x", "2|aa|bb|1", "2|aabbccdd||1", "2|é|a|1"])
def test_without_a_cookie_that_tells_each_tab_is_one(asking, cookie):
    session = asking(cookie)
    assert person_of("", session) == tab_of(session) == session
