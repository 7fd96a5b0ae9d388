"""Makes components and styles from the browser's files: .html, .css and .js.

Streamlit sends a component to the browser as one script and one style sheet, which cannot import
anything: imports from files beside them are replaced by the files' text here.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^(?:import [^;]*? from|@import) "\./([\w.]+)";\n', re.MULTILINE)


@cache
def component(name: str) -> Any:
    """Return the component made of this folder's ``name.html``, ``name.css`` and ``name.js``."""
    html, css, js = (whole(FOLDER / f"{name}.{kind}") for kind in ("html", "css", "js"))
    return st.components.v2.component(f"sdlab.{name}", html=html, css=css, js=js)


@cache
def style(module: str) -> str:
    """Return the style sheet that lies beside a module, as an element for ``st.html``.

    Args:
        module: The module's ``__file__``.
    """
    return f"<style>\n{whole(Path(module).with_suffix('.css'))}</style>"


@cache
def script(module: str) -> str:
    """Return the script that lies beside a module, as an element for ``st.html``.

    Args:
        module: The module's ``__file__``.
    """
    return f"<script>{whole(Path(module).with_suffix('.js'))}</script>"


def whole(path: Path) -> str:
    """Return a file's text with what it imports from beside it in place of the import."""

    def imported(found: re.Match[str]) -> str:
        text = whole(path.with_name(found[1]))
        return re.sub(r"^export (?!default)", "", text, flags=re.MULTILINE)

    return _IMPORT.sub(imported, path.read_text("utf-8"))
