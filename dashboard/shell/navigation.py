"""The files of the pages, and the menu that shows them.

A page is a file in ``pages/`` that says its own place in the menu, in a line that is read and not
run: ``MENU = {"section": "Noise", "title": "Workbench", "icon": "architecture", "place": 140}``.
"""

import ast
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import streamlit as st

_HERE = Path(__file__).resolve().parents[1]
# Beside the package in the repository, within it where it was installed from a wheel.
_FOLDER = next(at / "pages" for at in (_HERE / "entry", _HERE.parent) if (at / "pages").is_dir())


class Entry(NamedTuple):
    """A page's line in the menu.

    Attributes:
        section: Its heading; the headings are in the order of their first pages.
        title: What it is called.
        icon: A name of Material Symbols.
        place: The smaller, the higher.
        answers: The question that a person would come with, for Home; "" if there is none.
    """

    section: str
    title: str
    icon: str
    place: int
    answers: str = ""


def page_path(name: str) -> Path:
    """Return the file of a page, as ``st.page_link`` and ``st.switch_page`` take it."""
    return _FOLDER / f"{name}.py"


def link_to(name: str, label: str = "", **fields: str | list[str]) -> None:
    """Draw a link to a page.

    Args:
        name: The page's.
        label: Its words; the page's title if not given.
        fields: What the address is to hold.
    """
    _, title, icon, *_ = entries()[name]
    icon = f":material/{icon}:"
    st.page_link(page_path(name), label=label or title, icon=icon, query_params=fields or None)


def follow(url: str) -> None:
    """Open a page in this session by its address, such as "/app/run?id=..."."""
    _, _, path, query, _ = urlsplit(url)
    st.switch_page(page_path(PurePosixPath(path).name), query_params=parse_qs(query))


def entries() -> dict[str, Entry]:
    """Return every page's line in the menu by the page's name, in order.

    Raises:
        ValueError: If a page does not say its place in the menu.
    """
    found = {path.stem: _entry(path, path.stat().st_mtime) for path in _FOLDER.glob("*.py")}
    return dict(sorted(found.items(), key=lambda item: (item[1].place, item[0])))


def menu() -> dict[str, list[st.Page]]:
    """Return the pages by section, in order; the first is the default and lives at ``/``."""
    sections: dict[str, list[st.Page]] = {}
    for name, entry in entries().items():
        page = st.Page(
            page_path(name),
            title=entry.title,
            icon=f":material/{entry.icon}:",
            url_path=name if sections else None,
            default=not sections,
        )
        sections.setdefault(entry.section, []).append(page)
    return sections


@cache
def _entry(path: Path, changed: float) -> Entry:
    """Return what a page says of itself; ``changed`` is its age, so that a new one is read anew."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MENU":
            return Entry(**ast.literal_eval(node.value))
    example = dict(zip(Entry._fields, ("Noise", "Workbench", "architecture", 140), strict=False))
    raise ValueError(f"pages/{path.name} must say its place in the menu, such as MENU = {example}.")
