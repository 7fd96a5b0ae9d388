"""The form of the Sweep page: what all pictures have in common, and what varies."""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import show_error
from dashboard.widgets.axis_fields import NAMES, NOTHING, axes_chosen, named, seeds_chosen
from dashboard.widgets.experiment_controls import Choices, experiment_controls
from dashboard.widgets.uploads import take_upload
from sdlab.errors import SdlabError
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd

FIELDS, TYPED, TOML = "Fields", "Typed", "TOML"
SIDES = (
    ("First axis", "x", NAMES["num_steps"]),
    ("Second axis", "y", NOTHING),
    ("Third axis", "z", NOTHING),
)
FIRST_SEEDS = "1-4"
MOST_LETTERS = 16_000
"""Of a text, as it stands in the page's address."""
EXAMPLE = """prompt=a parrot on a beach
solver=ddim,heun
"num_steps=range(5,20,5)"
seed=0-3"""
EXAMPLE_TOML = """seeds = "0-3"

[base]
prompt = "a parrot on a beach"

[axes]
solver = ["ddim", "heun"]
num_steps = "range(5, 20, 5)"
"""
GRAMMAR = (
    "A line for each field, in Hydra's grammar: `solver=ddim,heun`, `num_steps=range(5,30,5)`, "
    "`seed=0-9`, `eta=null,0.5`, `curve_options.rho=3,7`, `words=car,boat`. A field with several "
    "values is an axis; the first varies fastest."
)


def sweep_form(page: str, catalogue: "pd.DataFrame") -> Sweep | None:
    """Draw the form and return the sweep that it says, or say what is wrong with it.

    Args:
        page: For the widget keys.
        catalogue: The table of ``sdlab.schedulers``.
    """
    ways: dict[str, Callable[[], Sweep]] = {
        FIELDS: lambda: _of_fields(page, catalogue),
        TYPED: lambda: _typed(page),
        TOML: lambda: _toml(page),
    }
    by = bound().segmented_control("Written", list(ways), key=f"{page}.by")
    try:
        return ways[by]()
    except (ValueError, SdlabError) as error:
        show_error(error)
        return None


def _of_fields(page: str, catalogue: "pd.DataFrame") -> Sweep:
    common, varied = st.columns(2, gap="large")
    view = lab().status()
    with common:
        st.header("In common", anchor=False)
        place = st.container()
    with varied:
        st.header("What varies", anchor=False)
        fields = st.container()
    base = trouble = None
    with place:  # first: the curves that can vary are those of its solver
        try:
            base = experiment_controls(Choices(catalogue, view.known, view.held))
        except (ValueError, SdlabError) as error:
            trouble = error
    with fields:
        axes = axes_chosen(page, SIDES, catalogue)
        seeds = seeds_chosen(page, FIRST_SEEDS)
        prompts = _lines(
            bound().text_area(
                "Prompts, one a line",
                key=f"{page}.prompts",
                max_chars=MOST_LETTERS,
                height=90,
                placeholder="instead of the one prompt",
            )
        )
        axes += [("prompt", tuple(prompts))] if prompts else []
        axes += seeds
    if base is None:
        assert trouble is not None
        raise trouble
    return _sweep(base, tuple(named(*axis) for axis in axes))


def _typed(page: str) -> Sweep:
    text = bound().text_area(
        "Fields and their values",
        EXAMPLE,
        key=f"{page}.typed",
        max_chars=MOST_LETTERS,
        height=170,
        help=GRAMMAR,
    )
    return _of_lines(tuple(map(_unquoted, _lines(text))), lab().status().at_hand)


def _toml(page: str) -> Sweep:
    key = f"{page}.toml"
    take_upload(f"{page}.file", lambda file: _take(key, file))
    with st.container(horizontal=True, vertical_alignment="top"):
        text = bound().text_area(
            "TOML",
            EXAMPLE_TOML,
            key=key,
            max_chars=MOST_LETTERS,
            height=240,
            help="As `sdlab sweep --file` reads it: `[base]`, `[axes]`, `prompts`, `seeds`.",
        )
        st.file_uploader("Or a file", type=["toml"], key=f"{page}.file", width=330)
    return _of_toml(text or "", lab().status().at_hand)


def _take(key: str, file: UploadedFile) -> None:
    try:
        text = file.getvalue().decode()
    except UnicodeDecodeError:
        st.toast(f"{file.name} is not UTF-8.", icon=":material/error:")
        return
    if len(text) > MOST_LETTERS:
        said = f"{file.name} has {len(text):,} letters; at most {MOST_LETTERS:,} are read here."
        st.toast(f"{said} Use `sdlab sweep --file`.", icon=":material/error:")
        return
    st.session_state[key] = text


def _lines(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


def _unquoted(line: str) -> str:
    """Return a line without the quotes that a shell would take off."""
    return line[1:-1] if len(line) > 1 and line[0] == line[-1] and line[0] in "\"'" else line


@lru_cache(maxsize=8)
def _sweep(base: Experiment, axes: tuple[tuple[str, Any], ...]) -> Sweep:
    """Return a sweep, made once for many drawings of the page."""
    return Sweep(base, axes)


@lru_cache(maxsize=8)
def _of_lines(lines: tuple[str, ...], model: str) -> Sweep:
    from sdlab.experiment.overrides import sweep_of

    return sweep_of(lines, {"model": model})


@lru_cache(maxsize=8)
def _of_toml(text: str, model: str) -> Sweep:
    from sdlab.sweeping.sweep_file import sweep_of_toml

    return sweep_of_toml(text, {"model": model})
