"""An upload counts, whatever else is asked of the page meanwhile."""

import pytest
from streamlit.runtime.state.session_state import SessionState
from streamlit.testing.v1 import AppTest

from tests.dashboard.forms import errors


def page() -> None:
    import streamlit as st

    from dashboard.widgets.uploads import take_upload

    def take(file) -> None:
        st.session_state.began = st.session_state.get("began", 0) + 1
        if st.session_state.began == 1:
            st.rerun()  # as if the browser had asked for it
        st.session_state.text = file.getvalue().decode()

    take_upload("file", take)
    st.text_input("Text", key="text")
    st.file_uploader("File", key="file")


@pytest.fixture
def no_callbacks(monkeypatch):
    """Leave callbacks out, as Streamlit does if a rerun is asked for while they begin."""
    monkeypatch.setattr(SessionState, "_call_callbacks", lambda *args, **named: None)


def test_a_file_is_taken_once_and_again_if_that_was_cut_short():
    at = AppTest.from_function(page).run()
    at.file_uploader(key="file").set_value(("a.txt", b"one", "text/plain")).run()
    assert at.text_input(key="text").value == "one" and at.session_state["began"] == 2
    at.text_input(key="text").set_value("typed").run()
    assert at.text_input(key="text").value == "typed" and at.session_state["began"] == 2
    at.file_uploader(key="file").set_value(("a.txt", b"two", "text/plain")).run()
    assert at.text_input(key="text").value == "two" and not at.exception


def test_a_table_counts_without_its_callback(open_page, no_callbacks):
    at = open_page("workbench", **{"workbench.way": "Table"})
    file = at.file_uploader(key="workbench.file")
    file.set_value(("a.csv", b"14\nfast\n0", "text/csv")).run()
    assert errors(at) == ["a.csv: Line 2 has 'fast', which is no number."]
    file = at.file_uploader(key="workbench.file")
    file.set_value(("b.csv", b"14;2.5;0", "text/csv")).run()
    assert at.text_area(key="workbench.table").value == "14\n2.5\n0" and not at.error


def test_a_curve_counts_without_its_callback(open_page, no_callbacks):
    at = open_page("workbench")
    at.file_uploader(key="workbench.import").set_value(("a.json", b"{}", "")).run()
    assert "this JSON is no scheduler config" in errors(at)[0]


@pytest.mark.parametrize(
    ("name", "key", "params"),
    [
        ("noised_images", "noised.file", {"noised.from": "Upload", "noised.steps": "2"}),
        ("experiment", "experiment.image.file_0", {}),
    ],
)
def test_a_picture_counts_without_its_callback(open_page, no_callbacks, name, key, params):
    at = open_page(name, **params)
    at.file_uploader(key=key).set_value(("b.png", b"%PDF-1.7", "")).run()
    assert "b.png: The file is a PDF document" in errors(at)[0]
