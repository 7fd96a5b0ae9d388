"""Whose runs are listed, on a server where people sign in: one's own, shared ones, everybody's."""

import streamlit as st

from dashboard.serving import serving
from dashboard.shell.address import bound
from dashboard.shell.visitor import visitor
from sdlab.runs.owners import EVERYBODY

ALL, MINE, SHARED = "Everybody's", "Mine", "Shared"
NONE_OF = {
    MINE: "None of the stored runs is yours yet. Those that you ask for are listed here.",
    SHARED: "No stored run is shared. The owner of a run shares it: tick it and press Share.",
}
"""What is said where there is none, by what is chosen."""
_KEY = "runs.whose"
_HELP = (
    "Everybody sees all runs. Yours are those that you asked for; those that are shared, or were "
    "made without login, everybody may star and tag."
)


def whose() -> tuple[str, ...]:
    """Draw the choice, where people sign in, and return the owners that a search has for it."""
    if not serving().login:
        return ()
    found = bound().segmented_control("Whose", (ALL, MINE, SHARED), key=_KEY, help=_HELP)
    return {MINE: (visitor().id,), SHARED: (EVERYBODY, "")}.get(found, ())


def chosen() -> str:
    """Return which of them is chosen, where the choice is drawn."""
    return str(st.session_state.get(_KEY, ALL)) if serving().login else ALL


def is_shared(owners: str) -> bool:
    """Return whether everybody may mark a run with these owners."""
    return EVERYBODY in owners.split(", ")


def in_words(owners: str) -> str:
    """Return what the table says of a run's owners."""
    people = [owner for owner in owners.split(", ") if owner not in ("", EVERYBODY)]
    return ", ".join(people) + " (shared)" * is_shared(owners)
