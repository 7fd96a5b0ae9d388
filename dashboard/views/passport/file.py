"""Takes a dropped file on the Schedule passport page: its passport fills the fields."""

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.shell.address import fill
from dashboard.shell.messages import plain, sentence
from dashboard.views.passport.rows import LEAST_DENOISE, SAMPLERS, first_rows, offered, titles
from dashboard.widgets.uploads import take_upload
from sdlab.errors import SdlabError

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from sdlab.passports.passport import Passport

KINDS = ("png", "json", "txt", "jpg", "jpeg", "webp")


def dropped(page: str) -> None:
    """Draw the place for a file; what a new one says fills the fields below."""
    key = f"{page}.file"
    take_upload(key, lambda file: _take(page, file))
    with st.expander(
        "Read it off a picture, a workflow or a config", icon=":material/upload_file:",
        type="compact",
    ):  # fmt: skip
        st.file_uploader(
            "A PNG of ComfyUI, AUTOMATIC1111, Forge or InvokeAI, a ComfyUI workflow (JSON), or a"
            " scheduler_config.json",
            KINDS,
            key=key,
            max_upload_size=20,
        )
    said = st.session_state.get(f"{page}.told")
    if said:
        kind, text = said
        (st.error if kind == "error" else st.success)(plain(text))


def kept_config(page: str) -> dict[str, Any] | None:
    """Return the scheduler config that was dropped in this session, if one was."""
    config: dict[str, Any] | None = st.session_state.get(f"{page}.config")
    return config


def _take(page: str, file: "UploadedFile") -> None:
    from sdlab.passports.reading import read_passport

    try:
        made = read_passport(file.getvalue())
        if made.denoise < LEAST_DENOISE:
            raise ValueError(
                f"{file.name} has a denoise of {made.denoise:g}; the field here takes"
                f" {LEAST_DENOISE:g} up to 1, `sdlab passport` any above 0."
            )
    except (ValueError, SdlabError) as error:
        st.session_state[f"{page}.told"] = ("error", sentence(error))
        return
    left = ", ".join(f"{name} {value}" for name, value in _fill(page, made).items())
    more = f" There is no field here for: {left}." if left else ""
    st.session_state[f"{page}.told"] = ("read", f"{file.name} says: {made.title}.{more}")


def _fill(page: str, made: "Passport") -> dict[str, Any]:
    """Set the page's fields to a passport, its line first; return the options that none takes."""
    from sdlab.passports.a1111 import SAMPLERS as LABELLED

    if made.model == "config":
        st.session_state[f"{page}.config"] = dict(made.preset.config)
    title = next(title for title, name in titles().items() if name == made.engine)
    row = f"{title}: {made.scheduler}"
    key = f"{page}.rows.{made.preset.path}.{made.preset.kind}"
    usual = st.session_state.get(key) or first_rows(made.preset, offered(made.preset))
    others = [one for one in usual if one != row]
    sampler = str(made.options.get("sampler", SAMPLERS[0]))
    if sampler in LABELLED:  # the web UI's name of a loop of k-diffusion
        sampler = LABELLED[sampler].loop
    values: dict[str, Any] = {
        f"{page}.model": made.model,
        f"{page}.steps": made.num_steps,
        f"{page}.denoise": made.denoise,
        f"{page}.sampler": sampler if sampler in SAMPLERS else SAMPLERS[0],
        key: [row, *others],
    }
    fill(values)
    known = {"sampler"} if sampler in SAMPLERS else set()
    return {name: value for name, value in made.options.items() if name not in known}
