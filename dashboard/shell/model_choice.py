"""Which model a page runs on: the one in memory, unless another is asked for by name.

Only one model is in memory, so a run of another one unloads it. A page therefore uses the model in
memory by default, shows it in its form, and warns before it asks for another.
"""

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain, show_error
from dashboard.shell.navigation import link_to
from sdlab.shipped import SHIPPED

_KEY = "experiment.model"


def model_choice(known: tuple[str, ...]) -> str:
    """Draw the menu of models and return the chosen name.

    Until another is chosen it shows the model in memory, also when that changes.

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
        help="The one in memory, unless you choose another. **embedded** is a small Stable "
        "Diffusion 1, a U-Net that predicts the noise; **embedded-flow** is a small Stable "
        "Diffusion 3, a transformer that predicts a flow's velocity; both draw the same world. "
        "Load others on the Models page.",
    )


def say_model(name: str) -> None:
    """Draw the model that a form uses, where it can only be the one in memory."""
    st.caption(f":material/deployed_code: On **{plain(name)}**, the model in memory.")
    say_swap(name)  # another one may wait to be loaded


def say_no_model() -> None:
    """Say that no model is in memory, why, and where one can be loaded."""
    show_error(lab().status().load_error or "No model could be loaded.")
    link_to("models", "Load a model")


def say_swap(name: str) -> None:
    """Warn if running a model would unload another one."""
    view = lab().status()
    own = view.at_hand
    if name != own:
        held = "in memory" if view.model and view.model.name == own else "next in memory"
        st.warning(
            f"This runs on **{plain(name)}**, but **{plain(own)}** is {held}: running it unloads "
            f"{plain(own)} and loads {plain(name)}.",
            icon=":material/swap_horiz:",
        )


def in_words(name: str) -> str:
    """Return a short name of a model: the last part of a path."""
    return name if name in SHIPPED else name.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
