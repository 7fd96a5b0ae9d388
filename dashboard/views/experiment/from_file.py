"""A picture or a manifest dropped on the Experiment page fills its form."""

from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dashboard.shell.address import fill
from dashboard.shell.messages import plain, show_error
from dashboard.widgets.run_fields import experiment_fields, past_the_form
from dashboard.widgets.uploads import take_upload

if TYPE_CHECKING:
    from sdlab.metadata.found import Found

KINDS = ("png", "jpg", "jpeg", "webp", "json", "txt")
SHOWN_LETTERS = 80
SHOWN_VALUES = 12
_WORDS = {
    "num_steps": "steps",
    "guidance_scale": "CFG",
    "guidance_rescale": "guidance rescale",
    "width": "size",
    "height": "size",
}


def file_field(page: str) -> None:
    """Draw the field for a file, and what was taken of the one that it holds.

    Call it before the form's fields are drawn, which it sets.

    Args:
        page: For the widget keys.
    """
    key = f"{page}.file"
    take_upload(key, partial(_take, page))
    with st.expander("From a picture or a manifest", icon=":material/image_search:"):
        held = st.file_uploader(
            "A picture, a manifest.json, or parameters as text",
            type=list(KINDS),
            key=key,
            help="Fills this form with what the file says of how its picture was made. Read are "
            "pictures of sdlab, AUTOMATIC1111, ComfyUI, InvokeAI, Fooocus and NovelAI. The file "
            "itself is not kept.",
        )
    told = st.session_state.get(f"{page}.found") if held is not None else None
    if isinstance(told, str):
        show_error(told)
    elif told is not None:
        _say(told)


def _take(page: str, file: UploadedFile) -> None:
    """Fill the form with what a file says, its other fields with their defaults."""
    from sdlab.metadata.reading import read_parameters

    told = f"{page}.found"
    try:
        found = read_parameters(file.getvalue())
        experiment = found.experiment
    except ValueError as error:
        st.session_state[told] = f"{file.name}: {error}"
        return
    found.notes += past_the_form(experiment)
    fields = experiment_fields(experiment, map(str, st.session_state))
    if "model" not in found.fields:  # another program's name for it is none here
        fields.pop(f"{page}.model", None)
    fill(fields)
    st.session_state[told] = found


def _say(found: "Found") -> None:
    """Draw what was taken, what was not and why."""
    names = (_WORDS.get(name, name.replace("_", " ")) for name in _of_interest(found))
    st.success(
        f"Filled in from {plain(found.program)}: {plain(', '.join(dict.fromkeys(names)))}.",
        icon=":material/edit:",
    )
    if found.notes:
        st.info("  \n".join(map(plain, found.notes)), icon=":material/info:")
    if found.unknown:
        listed = list(found.unknown.items())
        lines = [f"- {plain(name)}: {plain(_short(value))}" for name, value in listed]
        more = len(lines) - SHOWN_VALUES
        rest = [f"- and {more} more"] if more > 0 else []
        st.caption("\n".join(["No field takes these:\n", *lines[:SHOWN_VALUES], *rest]))


def _of_interest(found: "Found") -> list[str]:
    """Return the fields that were given; of sdlab's files, which have all, those that differ."""
    from sdlab.experiment.experiment import Experiment
    from sdlab.metadata.found import SDLAB

    if found.program != SDLAB:
        return list(found.fields)
    plain_one: dict[str, Any] = vars(Experiment())
    return [name for name, value in found.fields.items() if value != plain_one.get(name)]


def _short(value: str) -> str:
    return value if len(value) <= SHOWN_LETTERS else f"{value[:SHOWN_LETTERS]}…"
