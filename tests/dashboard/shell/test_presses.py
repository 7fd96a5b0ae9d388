"""A press starts its work once, also where the script is cut short before or after the button."""

import pytest
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

from dashboard.shell.presses import Press


def _script(cut):
    """A page whose script is cut short once after the click, before or behind its button."""
    import streamlit as st

    from dashboard.shell.presses import press_of

    state = st.session_state
    state.setdefault("started", [])

    def cut_short(here):
        if cut == here and state.get("clicked") and not state.get("was_cut"):
            state.was_cut = True
            st.rerun()

    word = st.text_input("Word", "before", key="word")
    press = press_of("go")
    cut_short("before the button")
    st.button("Go", key="go", on_click=press.note)
    if press.wanted(bool(word)):
        found = press.begin(lambda: state.started.append(word) or len(state.started))
        cut_short("behind the start")
        state.shown = found
        press.end()


@pytest.mark.parametrize("cut", ["never", "before the button", "behind the start"])
def test_each_press_starts_once_and_is_shown(cut):
    at = AppTest.from_function(_script, args=(cut,), default_timeout=240).run()
    at.text_input(key="word").set_value("typed").run()
    at.session_state["clicked"] = True
    at.button(key="go").click().run()
    assert at.session_state["started"] == ["typed"] and at.session_state["shown"] == 1
    at.run()
    assert at.session_state["started"] == ["typed"]
    at.button(key="go").click().run()
    assert at.session_state["started"] == ["typed"] * 2 and not at.exception


def test_a_press_while_nothing_can_be_started_is_forgotten():
    press = Press()
    press.note()
    assert not press.wanted(ready=False) and not press.wanted()


def test_work_that_fails_to_start_is_not_tried_again_unasked():
    press = Press()
    press.note()
    assert press.wanted()
    with pytest.raises(ValueError, match="not in list"):
        press.begin(lambda: [].index("no such"))
    assert not press.wanted()


def test_the_script_before_does_not_act_on_a_press_that_came_since(monkeypatch):
    class Session:
        def __contains__(self, key):
            raise StopException

    press = Press()
    press.note()
    with monkeypatch.context() as before:
        before.setattr("streamlit.session_state", Session())  # of a script that is to end
        with pytest.raises(StopException):
            press.wanted(ready=False)
    assert press.wanted() and press.begin(lambda: "started") == "started"


def test_a_press_while_the_one_before_is_acted_on_is_acted_on_too():
    press, started = Press(), []
    press.note()
    assert press.wanted() and press.begin(lambda: started.append(1) or 1) == 1
    press.note()
    press.end()  # of the script before
    assert press.wanted() and press.begin(lambda: started.append(2) or 2) == 2
    press.end()
    press.note()
    assert press.wanted() and press.begin(lambda: press.note() or "before") == "before"
    assert press.wanted() and press.begin(lambda: "new") == "new"
    press.end()
    assert not press.wanted()
