"""The Sweep page as a whole: the form, and below it the sweep that is on show."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shell.lab import lab
from dashboard.shell.messages import explained, opening, plain
from dashboard.shell.model_choice import say_no_model
from dashboard.shell.state import show_id, shown_id
from dashboard.views.sweep.earlier import earlier
from dashboard.views.sweep.form import TOML, sweep_form
from dashboard.views.sweep.live import live_panel
from dashboard.views.sweep.making import task
from dashboard.views.sweep.result import show_result
from dashboard.views.sweep.start import confirm
from dashboard.views.sweep.states import file_age
from sdlab.experiment.sweep import Sweep
from sdlab.runs import RUN_ID
from sdlab.runs.sweep_parts import SPEC
from sdlab.sweeping.sweep_folder import find_sweep

if TYPE_CHECKING:
    import pandas as pd


def sweep_page(page: str) -> None:
    """Draw the page below its title; ``page`` is for the widget keys."""
    with opening():
        catalogue = lab().catalogue()
    shown = shown_id(page)
    if not shown:
        _form(page, catalogue)
        earlier(page)
        return
    with st.container(horizontal=True):
        st.button(
            "All sweeps",
            key=f"{page}.leave",
            type="tertiary",
            icon=":material/arrow_back:",
            on_click=show_id,
            args=(page, ""),
        )
        place = st.container()
    with explained():
        found = _find(shown)
    if found is None:
        st.info(
            f"No sweep {plain(repr(shown[:40]))} is stored here. It may have been made on another "
            "computer, or its folder was removed.",
            icon=":material/search_off:",
        )
        earlier(page)
        return
    place.button(
        "Change it",
        key=f"{page}.change",
        type="tertiary",
        icon=":material/edit:",
        help="Fills the form with this sweep, as TOML.",
        on_click=_change,
        args=(page, found),
    )
    _show(page, found)


def _form(page: str, catalogue: "pd.DataFrame | None") -> None:
    model = lab().status().model
    if catalogue is None or model is None:
        say_no_model()
        return
    with st.container(key=f"{page}_choices"):
        sweep = sweep_form(page, catalogue)
        confirm(page, sweep, model)


def _find(sweep: str) -> Sweep | None:
    if not RUN_ID.fullmatch(sweep):
        return None
    age = file_age(lab().runs, sweep, SPEC)
    return _read(lab().runs, sweep, age) if age else find_sweep(lab().runs, sweep)


@lru_cache(maxsize=4)
def _read(runs: Path, sweep: str, changed: int) -> Sweep | None:
    """Return a sweep, whose thousands of pictures take seconds, once for each age of its file."""
    return find_sweep(runs, sweep)


def _change(page: str, sweep: Sweep) -> None:
    """Show the form, filled with a sweep."""
    from sdlab.sweeping.sweep_file import toml_of

    show_id(page, "")
    st.session_state[f"{page}.by"] = TOML
    st.session_state[f"{page}.toml"] = toml_of(sweep)


def _show(page: str, sweep: Sweep) -> None:
    """Draw a sweep that is being made, or what there is of it."""
    view = task(sweep.id)
    if view is not None and view.live:
        live_panel(page, sweep, view)
    else:
        show_result(page, sweep, view)
