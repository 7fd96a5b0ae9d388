"""The button of a page that starts its work, by a click or by Ctrl+Enter from any field."""

from typing import Literal

import streamlit as st

from dashboard.shell.keyboard import RUN
from dashboard.shell.presses import Press, press_of


def go_button(
    page: str,
    label: str,
    *,
    ready: bool = True,
    icon: str = "play_arrow",
    width: Literal["stretch", "content"] = "stretch",
    about: str | None = None,
) -> Press:
    """Draw the button and return its press, to be acted on where the work is begun.

    Args:
        page: For the widget's key.
        label: What it does.
        ready: Whether there is something to start.
        icon: A Material symbol's name.
        width: That of what it stands in, or its own.
        about: More, behind the pointer.
    """
    press = press_of(f"{page}.go")
    st.button(
        label,
        key=f"{page}.go",
        type="primary",
        icon=f":material/{icon}:",
        width=width,
        shortcut=RUN,
        disabled=not ready,
        help=about,
        on_click=press.note,
    )
    return press
