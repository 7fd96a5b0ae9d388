"""Whose runs are listed, on a server where people sign in: one's own, shared ones, everybody's."""

from dashboard.serving import serving
from dashboard.shell.address import bound
from dashboard.shell.visitor import visitor
from sdlab.runs.owners import EVERYBODY

ALL, MINE, SHARED = "Everybody's", "Mine", "Shared"
_HELP = (
    "Everybody sees all runs. Yours are those that you asked for; those that are shared, or were "
    "made without login, everybody may star and tag."
)


def whose() -> tuple[str, ...]:
    """Draw the choice, where people sign in, and return the owners that a search has for it."""
    if not serving().login:
        return ()
    chosen = bound().segmented_control("Whose", (ALL, MINE, SHARED), key="runs.whose", help=_HELP)
    return {MINE: (visitor().id,), SHARED: (EVERYBODY, "")}.get(chosen, ())


def is_shared(owners: str) -> bool:
    """Return whether everybody may mark a run with these owners."""
    return EVERYBODY in owners.split(", ")


def in_words(owners: str) -> str:
    """Return what the table says of a run's owners."""
    people = [owner for owner in owners.split(", ") if owner not in ("", EVERYBODY)]
    return ", ".join(people) + " (shared)" * is_shared(owners)
