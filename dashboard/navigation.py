"""Where the pages lie and how the menu shows them."""

from pathlib import Path

import streamlit as st

_FOLDER = Path(__file__).resolve().parent.parent / "pages"
_MENU = (
    ("home", "Home", "home"),
    ("experiment", "Experiment", "science"),
    ("runs", "Runs", "grid_view"),
    ("run", "Run", "frame_inspect"),
    ("models", "Models", "deployed_code"),
)


def page_path(name: str) -> Path:
    """Return the file of a page, as ``st.page_link`` and ``st.switch_page`` take it."""
    return _FOLDER / f"{name}.py"


def menu() -> list[st.Page]:
    """Return the pages in order; Home is the default and lives at ``/``."""
    return [
        st.Page(
            page_path(name),
            title=title,
            icon=f":material/{icon}:",
            url_path=None if name == "home" else name,
            default=name == "home",
        )
        for name, title, icon in _MENU
    ]
