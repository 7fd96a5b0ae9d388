"""The choice of a page's section, in the address, and a page whose sections share a picture."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import explained

Chosen = TypeVar("Chosen")


def choose_section(page: str, names: Iterable[str]) -> str:
    """Draw the choice of a section and return the chosen name; the first is the default.

    Args:
        page: For the widget key.
        names: Of the sections, in order.
    """
    names = list(names)
    return bound().segmented_control(
        "Section",
        names,
        key=f"{page}.section",
        label_visibility="collapsed",
    )


def sections_beside(
    page: str,
    choose: Callable[[], Chosen | None],
    names: Iterable[str],
    draw: Callable[[str, Chosen], None],
) -> None:
    """Draw the choice of a picture on the left and, on the right, one section about it.

    Args:
        page: For the widget keys.
        choose: Draws the choice and returns what was chosen; None while there is nothing.
        names: Of the sections, in order.
        draw: Draws the section of a name, about what was chosen.
    """
    left, right = st.columns([3, 8], gap="medium")
    with left, explained():
        chosen = choose()
    with right:
        section = choose_section(page, names)
        if chosen is None:
            st.info("Choose a picture or a latents file on the left.", icon=":material/image:")
            return
        with explained():
            draw(section, chosen)
