"""Times are told in the browser's time zone, and with "UTC" where it does not say its own."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from streamlit.testing.v1 import AppTest

from dashboard.shell.clock import clock_time, first_moment

MOMENT = "2026-11-30T22:15:00+00:00"


def test_a_moment_is_told_in_a_zone():
    assert clock_time(MOMENT, ZoneInfo("Asia/Tokyo")) == "01 Dec 2026, 07:15"
    assert clock_time("2026-11-30T23:15:00+01:00", ZoneInfo("America/New_York")).endswith("17:15")
    assert clock_time(MOMENT, UTC) == "30 Nov 2026, 22:15 UTC"


def test_a_day_begins_at_midnight_of_its_zone():
    day = date(2026, 11, 30)
    assert first_moment(day, ZoneInfo("Asia/Tokyo")) == datetime(2026, 11, 29, 15)
    assert first_moment(day, ZoneInfo("America/New_York")) == datetime(2026, 11, 30, 5)
    assert first_moment(day, UTC) == datetime(2026, 11, 30)


def _script(zone):
    import streamlit as st
    from streamlit.proto.ClientState_pb2 import ContextInfo
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    from dashboard.shell.clock import clock_time, time_column

    get_script_run_ctx().context_info = ContextInfo(timezone=zone)
    st.text(clock_time("2026-11-30T22:15:00+00:00"))
    st.text(time_column("Made")["type_config"]["timezone"])


def _told(zone):
    at = AppTest.from_function(_script, args=(zone,), default_timeout=240).run()
    assert not at.exception
    return [text.value for text in at.text]


def test_it_is_the_browser_s():
    assert _told("Asia/Tokyo") == ["01 Dec 2026, 07:15", "Asia/Tokyo"]
    assert _told("Mars/Olympus") == _told("") == ["30 Nov 2026, 22:15 UTC", "UTC"]
