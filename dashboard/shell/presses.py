"""Presses of buttons that start work: each starts it once, whatever comes right after it.

Streamlit cuts a script short as soon as the browser asks for another run of it: a second Enter, a
slider moved at once. The next script no longer knows of the press, so what stands behind
``if st.button(...)`` may never be reached. Here a press is noted before the script runs, by a
callback that asks nothing of Streamlit, and kept until it has been acted on. The script before may
go on for a moment beside the new one: it must neither act on the new press, with what the fields
held before, nor end it. The work is started where the button is, so with what the fields hold by
then:

    press = press_of("page.go")
    st.button("Run", key="page.go", on_click=press.note)
    if press.wanted(experiment is not None):
        show_run("page", press.begin(lambda: lab().submit(experiment)))
        press.end()
"""

from collections.abc import Callable
from threading import RLock, get_ident
from typing import Any, TypeVar

import streamlit as st

Started = TypeVar("Started")
_STATE = "presses"


class Press:
    """A button's press, from the click until it has been acted on."""

    def __init__(self) -> None:
        self._given = False
        self._started: list[Any] = []
        self._script: int | None = None  # the thread of the one that acts on it
        self._lock = RLock()

    def note(self) -> None:
        """Note a press; the button's callback."""
        with self._lock:
            self._given, self._started, self._script = True, [], None

    def wanted(self, ready: bool = True) -> bool:
        """Return whether to act on a press; one while nothing can be started is forgotten.

        Args:
            ready: Whether there is something to start.
        """
        if not self._given:
            return False
        _end_if_told_to()
        with self._lock:
            self._script = get_ident()
            if not ready:
                self.end()
            return self._given

    def begin(self, work: Callable[[], Started]) -> Started:
        """Return what starting the work returns; of one press it is started once.

        Args:
            work: Starts it; asks nothing of Streamlit, so that it cannot be cut short.
        """
        with self._lock:
            if self._started:
                known: Started = self._started[0]
                return known
            try:
                found = work()
            except Exception:
                self.end()
                raise
            if self._script == get_ident():
                self._started = [found]
            return found

    def end(self) -> None:
        """Note that the page shows what was started; a press since then stays."""
        with self._lock:
            if self._script == get_ident():
                self._given, self._started, self._script = False, [], None


def _end_if_told_to() -> None:
    """End the script here if it is the one before: a look at the session does so.

    Streamlit tells a script to end before it begins the next one, whose callback notes the press.
    """
    _ = _STATE in st.session_state


def press_of(key: str) -> Press:
    """Return the press of a button by its key."""
    presses: dict[str, Press] = st.session_state.setdefault(_STATE, {})
    return presses.setdefault(key, Press())


def forget_presses() -> None:
    """Forget what was pressed on the page before."""
    st.session_state.pop(_STATE, None)
