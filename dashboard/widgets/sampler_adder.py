"""A small form that adds a sampler with options and a curve of its own to a list of them."""

import json
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.shell.messages import plain, sentence
from dashboard.widgets import sampler_rows as rows_
from dashboard.widgets.curve_choice import OWN_CURVE, SAVED
from sdlab.sampler_names import titled


def sampler_adder(page: str, key: str, catalogue: pd.DataFrame, default: Sequence[str]) -> None:
    """Draw the form; what it adds is a text as ``schedule_rows`` reads it.

    Args:
        page: For the widget keys.
        key: Of the multiselect that holds the list.
        catalogue: The table of ``sdlab.schedulers``.
        default: What the list holds while nothing was chosen.
    """
    from sdlab.noise.curves import OWN
    from sdlab.runs.curves import curve_names

    fits = catalogue[catalogue["compatible"]].set_index("name", drop=False)
    with st.popover("Add with options", icon=":material/add:"):
        name = st.selectbox(
            "Sampler", list(fits["name"]), format_func=titled, key=f"{page}.add_name"
        )
        curves = [c for c in fits.loc[name]["curves"] if c not in OWN]
        if fits.loc[name].get("custom_sigmas", fits.loc[name]["origin"] == "sdlab"):
            curves += [*OWN, *(SAVED + saved for saved in curve_names())]
        st.selectbox("Curve", [OWN_CURVE, *curves], key=f"{page}.add_curve_{name}")
        st.text_input(
            "Curve options", key=f"{page}.add_curve_options", placeholder="rho=5, sigma_max=12"
        )
        st.text_input("Options", key=f"{page}.add_options", placeholder="eta=0.5, solver_order=3")
        st.button(
            "Add", key=f"{page}.add", type="primary", on_click=_add, args=(page, key, default)
        )


def _add(page: str, key: str, default: Sequence[str]) -> None:
    """Add the sampler that the form holds now: what was typed last comes with the click."""
    from sdlab.errors import SdlabError
    from sdlab.runs.curves import load_curve

    state = st.session_state
    name = state[f"{page}.add_name"]
    curve = state.get(f"{page}.add_curve_{name}", OWN_CURVE)
    of_curve, options = state[f"{page}.add_curve_options"], state[f"{page}.add_options"]
    try:
        if curve.startswith(SAVED):
            saved = load_curve(curve.removeprefix(SAVED))
            curve = saved.curve
            of_curve = ", ".join(f"{k}={json.dumps(v)}" for k, v in saved.options.items())
        curve = None if curve == OWN_CURVE else curve
        text = rows_.write_row(name, options, curve, of_curve)
        rows_.parse_row(text)
    except (ValueError, SdlabError) as error:
        st.toast(plain(sentence(error)), icon=":material/error:")
        return
    before = list(st.session_state.get(key, default))
    st.session_state[key] = [*before, *([] if text in before else [text])]
