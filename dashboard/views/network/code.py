"""The code that computes a block: the reference's where it has some, else diffusers' own."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.state import session_id
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    from sdlab.anatomy.network_map import NetworkMap
    from sdlab.anatomy.reference_code import Excerpt
    from sdlab.models.model import Model

OWN = (
    "The loaded implementation itself, as diffusers has it; marked are the lines that call "
    "attention and MLP. The reference in this project has Stable Diffusion 1.x and 2.x alone."
)
NONE = "No code of its own computes this block: it is a single layer of PyTorch."


def code_of(block: str, mapped: "NetworkMap", model: ModelView) -> None:
    """Draw the code that computes a block, folded away."""
    from sdlab.anatomy.reference_code import reference_code

    excerpts = reference_code(block) if mapped.unet and model.plain else ()
    own = () if excerpts else _own(block, model.hash)
    if not excerpts and not own:
        st.caption(NONE)
        return
    with st.expander("The code that computes it", icon=":material/code:"):
        if own:
            st.caption(OWN)
        for excerpt in excerpts or own:
            st.caption(f"{excerpt.file}, {_lines(excerpt)}: {excerpt.name}")
            st.code(excerpt.text(), language="python")


def _lines(excerpt: "Excerpt") -> str:
    if not excerpt.marked:
        return f"lines {excerpt.first} to {excerpt.first + len(excerpt.lines) - 1}"
    several = "s" if len(excerpt.marked) > 1 else ""
    return f"line{several} {', '.join(map(str, excerpt.marked))}"


@st.cache_data(max_entries=64, show_spinner=False)
def _own(block: str, hash: str) -> "tuple[Excerpt, ...]":
    def look(model: "Model") -> "Excerpt | None":
        from sdlab.anatomy.diffusers_code import diffusers_code

        return diffusers_code(model.network, block)

    found = lab().ask(look, hash, session_id())
    return () if found is None else (found,)
