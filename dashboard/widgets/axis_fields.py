"""The fields that choose what varies: of a grid on the Experiment page, and of a sweep."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.widgets.curve_choice import OWN_CURVE
from dashboard.widgets.solver_menu import GROUPS, meaning, offered
from sdlab.experiment.axis import EXAMPLES, axis_fields
from sdlab.experiment.pipeline_fields import PipelineFields
from sdlab.noise.curves import OWN

NOTHING = "nothing"
NAMES = {
    "num_steps": "Steps",
    "guidance_scale": "Guidance scale (CFG)",
    "solver": "Solver or scheduler",
    "curve": "Sigma curve",
    "seed": "Seed",
    "words": "Words of the prompt",
    "prompt": "Prompt",
    "negative_prompt": "Negative prompt",
    "guidance_rescale": "Guidance rescale",
    "eta": "Eta",
    "width": "Width (px)",
    "height": "Height (px)",
    "fast": "Fast (bfloat16)",
    "solver_options": "Solver option",
    "curve_options": "Curve option",
}
FIRST = {
    "num_steps": "5, 10, 25",
    "guidance_scale": "1, 4, 8",
    "seed": "1-4",
    "guidance_rescale": "0, 0.7",
    "eta": "0, 0.5, 1",
    "fast": "no, yes",
    "strength": "0.3, 0.6, 0.9",
}
"""What a field's values are until others are typed."""
WRITTEN = (
    "1-4, 7 is 1, 2, 3, 4, 7 · 10-30 (+10) is 10, 20, 30 · 1-8 [3] is 1, 4.5, 8 · none is the "
    "model's own · text with a comma goes in quotes."
)


def axes_chosen(
    page: str, sides: Iterable[tuple[str, str, str]], catalogue: pd.DataFrame
) -> list[tuple[str, Any]]:
    """Draw two fields for each side and return the axes that were chosen: fields and values.

    Args:
        page: For the widget keys.
        sides: What each side is called, the end of its key, and what varies along it at first.
        catalogue: The table of ``sdlab.schedulers``.
    """
    axes = []
    for side, letter, first in sides:
        field = _field(side, f"{page}.{letter}", first)
        if field:
            axes.append((field, _values(side, f"{page}.{letter}_{field}", field, catalogue)))
    return axes


def seeds_chosen(page: str, first: str = "") -> list[tuple[str, str]]:
    """Draw the field for seeds, which holds ``first`` at first; return their axis, if any."""
    seeds = bound().text_input(
        "Seeds",
        first,
        key=f"{page}.seeds",
        placeholder="one, that of the form; or 1-4, 7",
        help="A picture for each, instead of the one seed. " + WRITTEN,
    )
    return [("seed", seeds)] if (seeds or "").strip() else []


def named(field: str, values: Any) -> tuple[str, Any]:
    """Return an axis; the name of an option is typed before its values.

    Raises:
        ValueError: If it is not.
    """
    if field not in ("curve_options", "solver_options"):
        return field, values
    name, equals, rest = values.partition("=")
    if not equals or not name.strip():
        raise ValueError(f"{NAMES[field]}: write name = values, such as rho = 3, 5, 7.")
    return f"{field}.{name.strip()}", rest


def _field(side: str, key: str, first: str) -> str:
    model = lab().status().model
    inputs = model.inputs if model else frozenset()
    known = [name for name in axis_fields() if name not in PipelineFields.LATER or name in inputs]
    names = {name: NAMES.get(name, name.replace("_", " ")) for name in (*NAMES, *known)}
    options = [NOTHING, *names.values()]
    label = f"{side}: what varies"
    chosen = bound().selectbox(label, options, options.index(first), key=key)
    return next((field for field, name in names.items() if name == chosen), "")


def _values(side: str, key: str, field: str, catalogue: pd.DataFrame) -> Any:
    label = f"{side}: values"
    fits = catalogue[catalogue["compatible"]].set_index("name", drop=False)
    if field == "solver":
        names = offered(catalogue)
        first = [name for name in ("ddim", "heun") if name in names]
        return tuple(bound().multiselect(label, names, first, key=key, help=GROUPS))
    if field == "curve":
        form = st.session_state.get("experiment.solver", "ddim")  # drawn above
        solver = meaning(form).solver
        curves = [OWN_CURVE, *(c for c in fits.loc[solver]["curves"] if c not in OWN)]
        chosen = bound().multiselect(label, curves, curves[:2], key=key)
        return tuple(None if curve == OWN_CURVE else curve for curve in chosen)
    example = {"words": "parrot, owl: the first is replaced", "curve_options": "rho = 3, 5, 7"}
    example["solver_options"] = "solver_order = 1, 2, 3"
    text = bound().text_input(
        label,
        FIRST.get(field, ""),
        key=key,
        placeholder=example.get(field, EXAMPLES[str]),
        help=WRITTEN,
    )
    return text or ""
