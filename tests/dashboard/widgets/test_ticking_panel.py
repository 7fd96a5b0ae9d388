"""A panel that ticks asks the browser for its ticks, and for new ones now and then."""

from collections import defaultdict

import pytest
from streamlit.runtime.scriptrunner import ScriptRunContext
from streamlit.testing.v1 import AppTest

from dashboard.widgets import ticking_panel
from dashboard.widgets.ticking_panel import (
    HEARTBEAT_SECONDS,
    POLL_SECONDS,
    SLOWEST_SECONDS,
    Drawings,
)


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


def test_what_takes_long_or_many_look_at_is_drawn_less_often(monkeypatch):
    """Charts of four people that were drawn anew every two seconds took a whole core."""
    now = iter([0.25, 1.25, 300.0])
    monkeypatch.setattr(ticking_panel, "monotonic", now.__next__)
    drawings = Drawings()
    assert drawings.interval(0.4) == 0.4
    drawings.note("one", 0.0)
    assert drawings.interval(0.4) == pytest.approx(1.25)
    drawings.note("other", 1.0)
    assert drawings.interval(0.4) == pytest.approx(2.5)
    drawings.note("third", 200.0)
    assert drawings.latest == {"third": 300.0}
    assert drawings.interval(0.4) == SLOWEST_SECONDS


def test_how_long_it_took_is_what_decides(monkeypatch):
    monkeypatch.setattr(ticking_panel, "_drawings", defaultdict(Drawings))

    def page():
        import time

        from dashboard.widgets.ticking_panel import ticking_panel

        ticking_panel(lambda: not time.sleep(0.3))

    assert not AppTest.from_function(page).run().exception
    (drawings,) = ticking_panel._drawings.values()
    assert drawings.took >= 0.3 and len(drawings.latest) == 1
