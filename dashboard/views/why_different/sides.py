"""The two sides of the Why different? page: a run's id or a file each, and what they are."""

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab

if TYPE_CHECKING:
    from sdlab.explaining.making import Making

KINDS = ("png", "jpg", "jpeg", "webp", "json", "txt")
BY_NAME = "by its name there"
NAMES = {"a": "First", "b": "Second"}


def side_fields(page: str) -> "list[Making | None]":
    """Draw the fields of both sides and return how each was made; None for an empty one.

    Raises:
        ValueError: If a file cannot be read, or says nothing of how a picture was made.
        StoreError: If there is no such run.
    """
    columns = st.columns(2)
    given = [_side(page, name, column) for name, column in zip(NAMES, columns, strict=True)]
    model = _model(page)
    return [_making(source, model) for source in given]


def _side(page: str, name: str, column: Any) -> tuple[str, Any]:
    """Draw a side's fields; return the name and the bytes of its file, or its run's id alone."""
    with column:
        run = bound().text_input(
            f"{NAMES[name]}: a run's id",
            key=f"{page}.{name}",
            placeholder="3f2a91…",
            help="Or how it begins, four digits or more; the page Runs has them.",
        )
        file = st.file_uploader(
            f"{NAMES[name]}: or a file", KINDS, key=f"{page}.file_{name}", max_upload_size=20,
            help="Takes the place of the run's id. Sending or editing a picture often takes away "
            "what its program wrote into it.",
        )  # fmt: skip
    return (file.name, file.getvalue()) if file is not None else (str(run or "").strip(), None)


def _model(page: str) -> str | None:
    from sdlab.passports.presets import PRESETS

    chosen = bound().selectbox(
        "Model of other programs' pictures",
        [BY_NAME, *PRESETS],
        key=f"{page}.model",
        format_func=lambda name: PRESETS[name].title if name in PRESETS else name,
        width=330,
        help="Its noise levels. No file says which ones its model was trained with, so that is "
        "read off the model's name unless it is chosen here.",
    )
    return None if chosen == BY_NAME else str(chosen)


def _making(given: tuple[str, Any], model: str | None) -> "Making | None":
    from sdlab.explaining.reading import making_of
    from sdlab.runs import find_run
    from sdlab.runs.run_folder import open_run

    name, content = given
    if content is not None:
        return _read(content, name, model)
    return making_of(open_run(find_run(lab().runs, name))) if name else None


@st.cache_data(max_entries=16, show_spinner="Reading …")
def _read(content: bytes, name: str, model: str | None) -> "Making":
    from sdlab.explaining.reading import making_of

    return making_of(content, name, model=model)
