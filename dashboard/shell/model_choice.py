"""Which model a page runs on: the one that this session chose, or else the usual one.

As many models are in memory as fit, so a run of another one may unload one. A page therefore uses
one in memory by default, shows it in its form, and says what asking for another takes.
"""

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain, show_error
from dashboard.shell.model_asker import choose
from dashboard.shell.navigation import link_to
from dashboard.shell.state import session_id
from dashboard.shell.visitor import visitor
from dashboard.worker.snapshots import ModelRequest
from sdlab.shipped import SHIPPED

_KEY = "experiment.model"


def model_choice(known: tuple[str, ...]) -> str:
    """Draw the menu of models and return the chosen name.

    Until another is chosen it shows the model that the session works with, also when that changes.

    Args:
        known: Names under which models can be asked for.
    """
    own = lab().status().at_hand
    before = st.session_state.get(f"{_KEY}.own")
    if before not in (None, own) and st.session_state.get(_KEY, before) == before:
        st.session_state[_KEY] = own
    st.session_state[f"{_KEY}.own"] = own
    names = list(dict.fromkeys([*known, own]))
    return bound().selectbox(
        "Model",
        names,
        names.index(own),
        key=_KEY,
        help="The one that you work with, unless you choose another. **embedded** is a small "
        "Stable Diffusion 1, a U-Net that predicts the noise; **embedded-flow** is a small Stable "
        "Diffusion 3, a transformer that predicts a flow's velocity; both draw the same world. "
        "Load others on the Models page.",
    )


def say_model(name: str) -> None:
    """Draw the model that a form uses, where it can only be the one that the session works with."""
    st.caption(f":material/deployed_code: On **{plain(name)}**, the model that you work with.")
    say_swap(name)  # another one may wait to be loaded


def say_no_model() -> None:
    """Say that no model is in memory, why, and where one can be loaded."""
    show_error(lab().status().load_error or "No model could be loaded.")
    link_to("models", "Load a model")


def say_swap(name: str) -> None:
    """Say what running a model that is not in memory takes, or that this server does not offer it.

    Args:
        name: The model's name.
    """
    view = lab().status()
    if refused := lab().models.refusal(name):
        st.warning(plain(refused), icon=":material/block:")
    elif view.held and name not in {held.name for held in view.held}:
        gone = [plain(in_words(other)) for other in lab().models.in_place_of(name)]
        said = f"This runs on **{plain(name)}**, which is not in memory: running it loads it"
        if gone:
            st.warning(f"{said} and unloads {' and '.join(gone)}.", icon=":material/swap_horiz:")
        else:
            st.caption(f":material/download: {said} first.")


def offer_use(name: str, page: str) -> None:
    """Draw a button that lets this session's pages use a model, if it is in memory.

    Args:
        name: The model's name.
        page: For the widget key: the page's name.
    """
    if any(held.name == name for held in lab().status().held):
        st.button(
            f"Work with {in_words(name)}",
            key=f"{page}.use_model",
            icon=":material/deployed_code:",
            on_click=choose,
            args=(name,),
        )


def ask_for(request: ModelRequest) -> bool:
    """Ask the worker for a model for this session's pages; return whether it will be loaded.

    Raises:
        ModelError: If this server does not offer it to whoever asks.
    """
    waits = lab().models.load(request, owner=visitor().id, session=session_id())
    if waits:
        choose(request.source)
    return waits


def in_words(name: str) -> str:
    """Return a short name of a model: the last part of a path."""
    return name if name in SHIPPED else name.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
