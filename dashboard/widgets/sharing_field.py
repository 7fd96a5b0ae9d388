"""The field that lets pictures share calls of the network: quicker, equal within rounding."""

from typing import Any

import streamlit as st

from dashboard.shell.address import bound

_ABOUT = (
    "Several pictures share each call of the network, which takes less time. Each is then the "
    "picture of its run alone but for rounding (latents about 3e-4 apart, which no eye sees), not "
    "bit for bit. Off, each is made alone, and is exact."
)


def sharing_field(page: str, place: Any = st) -> bool:
    """Draw the field and return whether pictures may share calls; by default they may not.

    Args:
        page: For the widget key.
        place: Where it is drawn.
    """
    return bool(bound(place).toggle("Fast, shared calls", key=f"{page}.shared", help=_ABOUT))


def may_share(page: str) -> bool:
    """Return what the field of a page says, where it is not drawn anew."""
    return bool(st.session_state.get(f"{page}.shared"))
