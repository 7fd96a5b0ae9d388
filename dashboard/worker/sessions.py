"""What a browser session goes by: its tab, and the browser that the tab is of where that is known.

Without a login a browser is a person: a reload or a second tab makes nobody another one.
"""

_OF = "@"


def session_of(tab: str, browser: str) -> str:
    """Return what the session of a tab goes by; ``browser`` is "" where it is not known."""
    return f"{tab}{_OF}{browser}" if browser else tab


def tab_of(session: str) -> str:
    """Return the tab of a session."""
    return session.partition(_OF)[0]


def person_of(owner: str, session: str) -> str:
    """Return whose turn it is.

    Args:
        owner: Who has signed in; "" without a login.
        session: The browser session that asks.
    """
    tab, _, browser = session.partition(_OF)
    return owner or browser or tab
