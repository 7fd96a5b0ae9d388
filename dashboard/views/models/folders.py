"""Folders of models to look through, below the one that the operator of the server names."""

import os
from pathlib import Path

import streamlit as st

from dashboard.shell.address import given, keep
from dashboard.shell.messages import plain, show_error
from dashboard.views.models.listing import draw_rows, show_problems
from dashboard.views.models.rows import folder_row
from sdlab.models.found import ROOT_VARIABLE, Listing, in_folder, models_root

_UP = "Up"
_ADDRESS = "folder"


def model_folders() -> None:
    """Draw the folder that the address names, with what it holds; or how to name a root."""
    st.header("Folders", anchor=False)
    root = models_root()
    if root is None:
        st.caption(
            f"To look through a folder of models here, name it when you start the server: "
            f"**{ROOT_VARIABLE}=/path/to/models**. Nothing outside of it is shown."
        )
        return
    inside = given(_ADDRESS)
    held = _held(root, inside)
    if held is None:
        return
    inside = os.path.relpath(held.place, root.resolve())
    inside = "" if inside == os.curdir else inside
    _way(root, inside, held)
    rows = [folder_row(one) for one in held.found]
    draw_rows("folder", lambda: rows, "No pipeline and no .safetensors file lies right here.")
    show_problems(held.problems)


def _held(root: Path, inside: str) -> Listing | None:
    """Return what a folder holds; if it cannot be read, says so and returns what the root does."""
    try:
        return in_folder(root, inside)
    except ValueError as error:
        show_error(error)
    keep(_ADDRESS, "")
    return _held(root, "") if inside else None


def _way(root: Path, inside: str, held: Listing) -> None:
    """Draw where this is, and the menu of the folders that can be opened from here."""
    st.markdown(f":material/folder_open: {plain(str(root / inside))}")
    choices = [*([_UP] if inside else []), *held.folders]
    if not choices:
        return
    chosen = st.selectbox(
        "Open a folder",
        range(len(choices)),
        index=None,
        format_func=lambda number: choices[number],
        key=f"models.open {inside}",
        placeholder=f"{len(held.folders) or 'None'} in here",
        width=320,
    )
    if chosen is None:
        return
    up = bool(inside) and chosen == 0
    keep(_ADDRESS, os.path.dirname(inside) if up else os.path.join(inside, choices[chosen]))
    st.rerun()
