"""Times as the person who looks at them reads a clock: in the browser's time zone."""

from datetime import UTC, date, datetime, time, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import streamlit as st

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig


def clock_time(when: str | datetime, zone: tzinfo | None = None) -> str:
    """Return a moment such as "30 Nov 2026, 08:15", where it is told in UTC with that behind it.

    Args:
        when: With its time zone; as text, ISO 8601.
        zone: In which it is told; None for the browser's.
    """
    moment = datetime.fromisoformat(when) if isinstance(when, str) else when
    told = zone or browser_zone()
    return f"{moment.astimezone(told):%d %b %Y, %H:%M}" + " UTC" * (told is UTC)


def first_moment(day: date, zone: tzinfo | None = None) -> datetime:
    """Return when a day begins on the browser's clock, in UTC and without a time zone.

    Args:
        day: The day.
        zone: Whose day it is; None for the browser's.
    """
    begins = datetime.combine(day, time.min, zone or browser_zone())
    return begins.astimezone(UTC).replace(tzinfo=None)


def time_column(label: str) -> "ColumnConfig":
    """Return a table's column of times, to the minute."""
    zone = getattr(browser_zone(), "key", "UTC")
    return st.column_config.DatetimeColumn(label, format="YYYY-MM-DD HH:mm", timezone=zone)


def browser_zone() -> tzinfo:
    """Return the time zone of the browser; UTC where it does not say, or names none known here."""
    name = st.context.timezone
    try:
        return ZoneInfo(name) if name else UTC
    except (LookupError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return UTC
