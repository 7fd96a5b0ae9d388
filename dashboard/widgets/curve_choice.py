"""The choice of a curve in a form, its options, and whether the model can follow it."""

from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import plain
from dashboard.widgets.curve_words import DRAWN, FORMULA, TABLE, curve_words
from dashboard.widgets.solver_menu import meaning
from dashboard.widgets.typed import parse_options
from dashboard.worker.snapshots import ModelView
from sdlab.experiment.experiment import Experiment
from sdlab.noise.curves import CURVES, OWN, fixed_steps
from sdlab.noise.custom import RANGE_TOLERANCE
from sdlab.noise.formula import evaluate
from sdlab.runs.curves import curve_names, load_curve
from sdlab.sampler_names import NAMES, Everyday

OWN_CURVE = "as trained"
SAVED = "saved: "
OPTIONS = "experiment.curve_options"
_KEY = "experiment.curve"
_YOURS = {DRAWN: "drawn curve", TABLE: "table of sigmas", FORMULA: "formula"}


class CurveChoice(TypedDict):
    """An experiment's curve."""

    curve: str | None
    curve_options: dict[str, Any]


def chosen_curve(choice: str, typed: str, num_steps: int) -> CurveChoice:
    """Return the experiment's ``curve`` and ``curve_options`` for what was chosen and typed.

    Raises:
        ValueError: If the options are no options, are those of another curve, or the curve is a
            table of other length.
        StoreError: If a saved curve is gone or damaged.
    """
    options = parse_options(typed, "curve options")
    curve = None if choice == OWN_CURVE else choice
    if choice.startswith(SAVED):
        saved = load_curve(choice.removeprefix(SAVED))
        curve, options = saved.curve, {**saved.options, **options}
    for name in options:
        if name in OWN and name != curve:
            raise ValueError(
                f"Curve options hold {name}, and the sigma curve is {choice!r}; empty them, or"
                f" choose the curve {name!r}."
            )
    steps = fixed_steps(curve, options)
    if steps not in (None, num_steps):
        raise ValueError(
            f"the curve is a table of {steps} steps, so Steps must be {steps}, got {num_steps}."
        )
    return {"curve": curve, "curve_options": options}


def curve_field(
    place: st.delta_generator.DeltaGenerator, solver: pd.Series, chosen: Everyday
) -> str:
    """Draw the curve; a name such as DPM++ 2M Karras has one, others what its program takes."""
    if chosen.curve and chosen.settled:
        place.selectbox(
            "Sigma curve",
            [chosen.curve],
            key=f"{_KEY}_{chosen.curve}_only",
            disabled=True,
            help=f"The name says it; choose {chosen.solver} to choose another.",
        )
        return chosen.curve
    first = chosen.curve or OWN_CURVE
    options = [OWN_CURVE, *solver["curves"]]
    if solver["custom_sigmas"]:
        options += [*OWN, *(SAVED + name for name in curve_names())]
    # a curve chosen beside one default is none beside another
    key = _KEY if first == OWN_CURVE else f"{_KEY}_{first}"
    return bound(place).selectbox(
        "Sigma curve",
        options,
        options.index(first),
        key=key,
        on_change=_curve_changed,
        args=(key,),
        help="How the noise level falls; 'as trained' is what the model's config says. On the"
        " Workbench page you can make your own.",
    )


def solver_changed(key: str, takes_sigmas: Mapping[str, bool]) -> None:
    """Empty the curve's options if the solver just chosen cannot follow a person's own curve.

    Args:
        key: Of the field that holds the solver's name.
        takes_sigmas: Whether a solver can, by its name.
    """
    typed = str(st.session_state.get(OPTIONS) or "")
    chosen = meaning(st.session_state[key])
    own = typed.partition("=")[0].strip() in OWN
    if own and (chosen.curve or not takes_sigmas.get(chosen.solver, False)):
        _empty_options()


def say_curve(choice: CurveChoice) -> None:
    """Draw which curve of the person's own is followed; its numbers stand in the fold below."""
    if choice["curve"] in OWN:
        words = curve_words(choice["curve"], choice["curve_options"])
        st.caption(f"{plain(words[:1].upper() + words[1:])}.")


def can_follow(experiment: Experiment, model: ModelView | None) -> bool:
    """Return whether the model can follow the experiment's own curve; if not, say why and offer.

    Args:
        experiment: What the form holds.
        model: The model in memory; of another model nothing is known.
    """
    if model is None or model.name != experiment.model:
        return True
    problem = misfit(experiment, model)
    if problem:
        st.warning(plain(problem), icon=":material/show_chart:")
        st.button(
            "Use this model's own curve", key="experiment.curve_own", on_click=_take_own_curve
        )
    return not problem


def misfit(experiment: Experiment, model: ModelView) -> str:
    """Return why a model cannot follow a curve of the person's own, in a sentence; "" if it can."""
    levels = _levels(experiment, model.levels)
    if levels is None or not len(levels):
        return ""
    low, high = model.levels
    if levels.max() > high * (1 + (0 if model.path == "flow" else RANGE_TOLERANCE)):
        theirs = f"sigma up to {levels.max():.4g}"
    elif model.path != "flow" and levels.min() < low * (1 - RANGE_TOLERANCE):
        theirs = f"levels from {levels.max():.4g} to {levels.min():.4g}"
    else:
        return ""
    ours = "t from 1 to 0" if model.path == "flow" else f"sigma from {high:.4g} to {low:.4g}"
    name = _YOURS[str(experiment.curve)]
    return f"Your {name} belongs to another model ({theirs}); this one needs {ours}."


def _levels(experiment: Experiment, known: tuple[float, float]) -> np.ndarray | None:
    """Return the noise levels that a curve of the person's own names, or None where it is none."""
    curve, options = experiment.curve, dict(experiment.curve_options)
    if curve not in _YOURS or known == (0.0, 0.0):
        return None
    try:
        if curve == FORMULA:
            low = options.get("sigma_min", known[0])
            high = options.get("sigma_max", known[1])
            levels = evaluate(options[curve], experiment.num_steps, low, high)[0]
        else:
            levels = np.array(options[curve], dtype=np.float64)
            levels = levels[:, 1] if curve == DRAWN else levels
    except (KeyError, IndexError, TypeError, ValueError):
        return None  # the engine names what is wrong with it
    return levels[np.isfinite(levels) & (levels > 0)]


def _curve_changed(key: str) -> None:
    """Empty the options if they are not the chosen curve's."""
    choice = st.session_state[key]
    allowed = CURVES[choice].options if choice in CURVES else ()
    try:
        typed = parse_options(str(st.session_state.get(OPTIONS) or ""))
    except ValueError:
        return  # the form says what is wrong with them
    if not set(typed) <= set(allowed):
        _empty_options()


def _empty_options() -> None:
    st.session_state[OPTIONS] = ""


def _take_own_curve() -> None:
    begun = {found.curve for found in NAMES.values() if found.curve and not found.settled}
    for key in (_KEY, *(f"{_KEY}_{curve}" for curve in begun)):
        if key in st.session_state:
            st.session_state[key] = OWN_CURVE
    _empty_options()
