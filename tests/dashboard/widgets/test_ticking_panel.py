"""A panel that ticks asks the browser for its ticks, and for new ones now and then."""

import pytest
from streamlit.runtime.scriptrunner import ScriptRunContext
from streamlit.testing.v1 import AppTest

from dashboard.widgets import ticking_panel
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


def test_what_takes_long_to_draw_is_drawn_less_often(monkeypatch):
    """Charts of three people that were drawn anew every two seconds took a whole core."""
    monkeypatch.setattr(ticking_panel, "_took", {})

    def draw():
        return True

    assert ticking_panel.interval(draw, 0.4) == 0.4
    ticking_panel._took[ticking_panel._kind(draw)] = 0.5
    assert ticking_panel.interval(draw, 0.4) == pytest.approx(5.0)
    ticking_panel._took[ticking_panel._kind(draw)] = 60.0
    assert ticking_panel.interval(draw, 0.4) == ticking_panel.SLOWEST_SECONDS
    assert ticking_panel.interval(lambda: True, 2.0) == 2.0


def test_how_long_it_took_is_what_decides(monkeypatch):
    monkeypatch.setattr(ticking_panel, "_took", {})
    clock = iter([0.0, 0.25])
    monkeypatch.setattr(ticking_panel, "perf_counter", clock.__next__)

    def page():
        from dashboard.widgets.ticking_panel import ticking_panel

        ticking_panel(lambda: True)

    assert not AppTest.from_function(page).run().exception
    assert list(ticking_panel._took.values()) == [0.25]
