"""A panel that ticks asks the browser for its ticks, and for new ones now and then."""

import pytest
from streamlit.runtime.scriptrunner import ScriptRunContext
from streamlit.testing.v1 import AppTest

from dashboard.widgets.ticking_panel import HEARTBEAT_SECONDS, POLL_SECONDS


def test_it_ticks_and_is_wound_up_anew(monkeypatch):
    def page():
        from dashboard.widgets.ticking_panel import ticking_panel

        ticking_panel(lambda: True)

    intervals, enqueue = {}, ScriptRunContext.enqueue

    def noted(context, message):
        if message.HasField("auto_rerun"):
            intervals[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        enqueue(context, message)

    monkeypatch.setattr(ScriptRunContext, "enqueue", noted)
    assert not AppTest.from_function(page).run().exception
    assert list(intervals.values()) == pytest.approx([HEARTBEAT_SECONDS, POLL_SECONDS])


def test_the_page_is_drawn_anew_once_it_has_ended():
    def page():
        import streamlit as st

        from dashboard.widgets.ticking_panel import ticking_panel

        st.session_state.drawn = st.session_state.get("drawn", 0) + 1
        if st.session_state.drawn < 3:
            ticking_panel(lambda: False)
        st.text(f"drawn {st.session_state.drawn} times")

    at = AppTest.from_function(page).run()
    assert [text.value for text in at.text] == ["drawn 3 times"]
