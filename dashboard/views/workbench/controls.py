"""The controls of the Workbench: how the curve is made, and what it is compared with."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dashboard.components.points_editor import points_editor
from dashboard.shell.address import bound, given, keep
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain
from dashboard.shell.model_choice import say_model
from dashboard.views.workbench.draft import (
    DRAW,
    EXAMPLES,
    WAYS,
    Draft,
    first_formula,
    first_points,
    of_formula,
    of_points,
    of_table,
    points_text,
    read_points,
    table_text,
)
from dashboard.widgets.curve_choice import SAVED
from dashboard.widgets.solver_menu import known_names, meaning
from dashboard.widgets.typed import parse_seed
from dashboard.widgets.uploads import take_upload
from sdlab.noise import custom
from sdlab.noise.curves import describe, make, names
from sdlab.noise.schedule import FlowTimes, NoiseSchedule
from sdlab.runs.curves import curve_names, load_curve
from sdlab.sampler_names import NAMES

PAGE = "workbench"
_NAMES = """
- `u` runs from 0 at the first step to 1 at the last; `n` is the number of steps
- `sigma_min`, `sigma_max`: the model's range; `pi`, `e`
- `+ - * / // % **`, `a if u < 0.5 else b`
- `exp log log2 log10 sqrt sin cos tan asin acos atan sinh cosh tanh abs min max floor ceil`

The final 0 is added by itself.
"""


@dataclass(frozen=True)
class Baseline:
    """What the draft is compared with.

    Attributes:
        label: What it is called on charts.
        curve: A curve's name.
        options: Its options.
        sigmas: Its noise levels; None where it has none for so many steps.
        reason: Why it has none.
    """

    label: str
    curve: str
    options: dict[str, Any]
    sigmas: np.ndarray | None
    reason: str = ""


@dataclass(frozen=True)
class CurveTrial:
    """What both curves are tried with.

    Attributes:
        solver: An own solver's name.
        prompt: For the pictures.
        seed: For the pictures and the noised strip.
    """

    solver: str
    prompt: str
    seed: int


def is_times(schedule: NoiseSchedule) -> bool:
    """Return whether curves are laid over flow matching's times in the place of sigma."""
    return isinstance(schedule, FlowTimes)


def draft_controls(schedule: NoiseSchedule) -> Draft | None:
    """Draw how the curve is made and return the draft; None if there is none, after saying why."""
    if given(f"{PAGE}.way") == "Points":  # its name in links of before
        keep(f"{PAGE}.way", DRAW)
        st.rerun()
    way = bound().segmented_control("Make the curve by", WAYS, key=f"{PAGE}.way", width="stretch")
    steps = _steps(schedule) if way != "Table" else 0
    try:
        if way == "Formula":
            return _formula(steps, schedule)
        if way == "Table":
            return _table(schedule)
        return _points(steps, schedule)
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return None


def points_controls(draft: Draft, baseline: Baseline, schedule: NoiseSchedule) -> None:
    """Draw the editor of a draft by points; what is dragged there goes into the text field."""
    other: list[tuple[float, float]] = []
    if baseline.sigmas is not None:
        inner = baseline.sigmas[:-1].tolist()
        other = [(i / max(1, len(inner) - 1), sigma) for i, sigma in enumerate(inner)]
    points_editor(
        f"{PAGE}.editor",
        draft.options["points"],
        other,
        (schedule.sigma_min, schedule.sigma_max),
        custom.MAX_POINTS,
        _take_points,
        "t" if is_times(schedule) else "sigma",
    )


def baseline_controls(num_steps: int, schedule: NoiseSchedule) -> Baseline:
    """Draw the choice of the other curve and return it."""
    saved = [SAVED + name for name in curve_names()]
    known = [name for name in names() if not (is_times(schedule) and name.startswith("ays_"))]
    known += saved
    choice = bound().selectbox(
        "Compare with",
        known,
        known.index("karras"),
        key=f"{PAGE}.baseline",
        help="The baseline: dashed in the editor, beside yours in the charts.",
    )
    if choice.startswith(SAVED):
        named = load_curve(choice.removeprefix(SAVED))
        curve, options = named.curve, named.options
    else:
        curve, options = choice, {}
        st.caption(describe(choice))
    try:
        return Baseline(choice, curve, options, make(curve, schedule, num_steps, options))
    except ValueError as error:
        return Baseline(choice, curve, options, None, str(error))


def trial_controls(catalogue: pd.DataFrame) -> CurveTrial:
    """Draw what both curves are tried with.

    Raises:
        ValueError: If the seed is no whole number.
    """
    own = list(catalogue[catalogue["origin"] == "sdlab"]["name"])
    known = [name for name in known_names(catalogue) if not NAMES[name].settled]
    solver = bound().selectbox(
        "Solver",
        [*known, *own],
        len(known) + own.index("dpmpp_2m"),
        key=f"{PAGE}.solver",
        help="Follows both curves. First what A1111, ComfyUI and Civitai call sdlab's solvers, "
        "which follow any curve; then their own names.",
    )
    prompt = bound().text_input("Prompt", "a parrot on a beach", key=f"{PAGE}.prompt")
    seed = bound().text_input("Seed", "7", key=f"{PAGE}.seed")
    say_model(lab().status().at_hand)
    return CurveTrial(meaning(solver).solver, prompt or "", parse_seed(seed or ""))


def _steps(schedule: NoiseSchedule) -> int:
    return int(
        bound().number_input(
            "Steps",
            1,
            min(1000, schedule.num_timesteps),
            20,
            key=f"{PAGE}.steps",
            help="Solver steps: the noise levels above 0.",
        )
    )


def _formula(steps: int, schedule: NoiseSchedule) -> Draft:
    key, first = f"{PAGE}.formula", first_formula(schedule)
    if st.session_state.get(key) == st.session_state.get(f"{key}.first", first):
        st.session_state[key] = first  # untouched, as the model before began with it
    st.session_state[f"{key}.first"] = first
    text = bound().text_area(
        "t =" if is_times(schedule) else "sigma =",
        first,
        key=key,
        height=84,
        help="An expression in u, n, sigma_min, sigma_max.",
    )
    with st.container(horizontal=True):
        with st.popover("Examples", icon=":material/lightbulb:"):
            for name, example in EXAMPLES.items():
                st.button(
                    name,
                    key=f"{PAGE}.example_{name}",
                    on_click=_put,
                    args=("formula", example),
                    width="stretch",
                )
        with st.popover("What it can contain", icon=":material/help:"):
            st.markdown(_NAMES)
    return of_formula(text or "", steps, schedule)


def _table(schedule: NoiseSchedule) -> Draft:
    file = f"{PAGE}.file"
    take_upload(file, _take_table)
    text = bound().text_area(
        "Sigmas, the last one 0",
        table_text(make("linspace" if is_times(schedule) else "ays_sd15", schedule, 10, {})),
        key=f"{PAGE}.table",
        height=220,
        help="One a line, CSV, or separated by commas, semicolons or spaces; a JSON list; a CSV"
        " with a column named sigma.",
    )
    zero = bound().toggle(
        "Append a final 0",
        key=f"{PAGE}.zero",
        help="For tables that end above 0, as k-diffusion's and published ones often do.",
    )
    held = st.file_uploader("Or upload a file", type=["csv", "txt", "json"], key=file)
    if held is not None and (problem := st.session_state.get(f"{file}.error")):
        st.error(plain(problem), icon=":material/error:")
    draft = of_table(text or "", bool(zero), schedule)
    st.caption(f"{draft.num_steps} steps.")
    return draft


def _points(steps: int, schedule: NoiseSchedule) -> Draft:
    level = "t" if is_times(schedule) else "sigma"
    text = bound().text_input(
        f"Points: u {level}, u {level}, …",
        points_text(first_points(schedule)),
        key=f"{PAGE}.points",
        help="The points of the editor as text; u runs from 0 at the first step to 1 at the last.",
    )
    return of_points(read_points(text or ""), steps, schedule)


def _take_points(points: list[list[float]]) -> None:
    _put("points", points_text(points))


def _put(name: str, value: str) -> None:
    st.session_state[f"{PAGE}.{name}"] = value


def _take_table(file: UploadedFile) -> None:
    """Put an uploaded table into the text field; what cannot be read leaves the field alone."""
    error = f"{PAGE}.file.error"
    try:
        table = custom.parse_table(file.getvalue())
    except ValueError as problem:
        st.session_state[error] = f"{file.name}: {problem}"
        return
    st.session_state[error] = ""
    _put("table", table_text(table.sigmas))
