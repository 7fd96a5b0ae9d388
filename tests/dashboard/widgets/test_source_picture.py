"""The choice of a stored run begins with the newest, until somebody chooses."""

from streamlit.testing.v1 import AppTest


def _page(newest):
    import streamlit as st

    from dashboard.widgets.source_picture import _begin_with

    _begin_with("run", newest)
    st.text_input("Run id", key="run")


def _opened(at, newest):
    at.args = (newest,)
    at.run()
    assert not at.exception
    return at.text_input(key="run")


def test_a_newer_run_takes_the_place_of_the_default_but_not_of_a_choice():
    at = AppTest.from_function(_page, args=("first",), default_timeout=240)
    assert _opened(at, "first").value == "first"
    assert _opened(at, "second").value == "second"
    at.text_input(key="run").set_value("chosen").run()
    assert _opened(at, "third").value == "chosen"
