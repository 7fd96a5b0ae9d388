"""A session remembers the runs that it made or opened, the last first."""

from streamlit.testing.v1 import AppTest


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
