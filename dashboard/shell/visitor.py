"""Who asks: nobody in particular on a server without login, who may then do everything."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Visitor:
    """A person at a page.

    Attributes:
        id: What owners are told apart by; "" without login.
        name: To be shown; "" without login.
        operator: Whether other people's work may be changed, and the server's.
    """

    id: str = ""
    name: str = ""
    operator: bool = True


def visitor() -> Visitor:
    """Return who looks at this page."""
    return Visitor()
