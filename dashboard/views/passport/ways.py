"""Ways out of the Schedule passport page: the equal setting elsewhere, sigmas to paste there."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import explained, plain
from dashboard.views.passport.rows import preset_key, titles
from sdlab.errors import SdlabError

if TYPE_CHECKING:
    from sdlab.passports.passport import Passport

_LANGUAGES = {"diffusers": "python", "k-diffusion": "python", "comfyui": None}
_WHERE = {
    "comfyui": "For ComfyUI's node ManualSigmas, into SamplerCustom.",
    "diffusers": "A scheduler with these levels; it runs as it is.",
    "k-diffusion": "For k-diffusion's samplers: sample_euler(model, x, sigmas).",
}


def equal_panel(page: str, passports: "dict[str, Passport]") -> None:
    """Draw the choice of a line and a program, and that program's setting that equals it."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        row = _row(page, "equal", passports)
        names = titles()
        wanted = bound().pills(
            "Its setting in",
            [title for title, name in names.items() if name != passports[row].engine],
            key=f"{page}.elsewhere",
        )
    if not wanted:
        st.caption("Choose a program: every setting of it is tried, steps and denoise too.")
        return
    with st.spinner("Trying every setting …", show_time=False), explained():
        sentence, more, same = _found(passports[row], names[str(wanted)])
    (st.success if same else st.warning)(plain(sentence))
    st.caption(plain(more))


def export_panel(page: str, passports: "dict[str, Passport]") -> None:
    """Draw a line's sigmas as another program takes them, to be copied."""
    from sdlab.passports.export import FORMATS

    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        row = _row(page, "export", passports)
        kind = str(bound().segmented_control("For", list(FORMATS), key=f"{page}.format"))
    try:
        text = FORMATS[kind](passports[row])
    except (ValueError, SdlabError) as error:
        st.info(plain(str(error)), icon=":material/info:")
        return
    st.caption(_WHERE[kind])
    st.code(text, language=_LANGUAGES[kind], wrap_lines=True)


def _row(page: str, name: str, passports: "dict[str, Passport]") -> str:
    return str(bound().selectbox("Line", list(passports), key=f"{page}.{name}", width=330))


@st.cache_data(
    max_entries=128,
    show_spinner=False,
    hash_funcs={"sdlab.passports.passport.Passport": lambda p: f"{p!r} {preset_key(p.preset)}"},
)
def _found(given: "Passport", engine: str) -> tuple[str, str, bool]:
    from sdlab.passports.comparing import equal_setting

    match = equal_setting(given, engine)
    return match.sentence, match.comparison.sentence, match.comparison.same
