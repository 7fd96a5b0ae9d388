"""The choice of a page's section, in the address."""

from collections.abc import Iterable

from dashboard.shell.address import bound


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
