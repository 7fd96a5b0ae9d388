"""The rows of the Noise schedules page: a sampler, its curve and options, written as one text.

    DDIMScheduler
    DDIMScheduler {eta=0.5, timestep_spacing=linspace}
    heun + karras
    dpmpp_2m {order=1} + karras [rho=5, sigma_max=12]
    DPM++ 2M Karras

The text is what the menu shows, what a user can type, and what the address holds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.shell.theme import scheduler_color
from dashboard.widgets.solver_menu import known_names
from dashboard.widgets.typed import parse_options
from sdlab.sampler_names import NAMES

DEFAULT = (
    "DDIMScheduler",
    "EulerDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverMultistepScheduler + karras",
    "heun + karras",
)
FLOW_DEFAULT = (
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "UniPCMultistepScheduler",
    "dpmpp_2m + linspace",
    "euler + karras",
)
DDIM_SPACINGS = tuple(
    f"DDIMScheduler {{timestep_spacing={spacing}}}"
    for spacing in ("leading", "linspace", "trailing")
)
"""diffusers' DDIM over each of its spacings, of which two miss the next timestep."""
ALL = "All of diffusers"
KARRAS = "Karras against own spacing"
CURVES = "Every curve for one solver"
OWN = "All own solvers"
PRESETS = (ALL, KARRAS, CURVES, OWN)
MAX_TEXT = 4000
_FORM = re.compile(
    r"(?P<name>\w+)"
    r"(?:\s*\{(?P<options>.*?)\})?"
    r"(?:\s*\+\s*(?P<curve>\w+)(?:\s*\[(?P<curve_options>.*)\])?)?\s*",
    re.DOTALL,
)


@dataclass(frozen=True)
class Row:
    """One sampler on the page.

    Attributes:
        text: As it was written.
        name: A solver's short name or a diffusers class.
        curve: How sigma falls, or None.
        options: Of the solver or class; ``eta`` among them.
        curve_options: Of the curve.
    """

    text: str
    name: str
    curve: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    curve_options: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What charts call it: the text without diffusers' long endings."""
        short = re.sub(r"(Discrete)?Scheduler\b", "", self.text)
        return short if len(short) <= 60 else short[:57] + "..."

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of ``sdlab.course`` and ``sdlab.lint``."""
        options = dict(self.options)
        eta = options.pop("eta", None)
        return {
            "options": options,
            "curve": self.curve,
            "curve_options": self.curve_options,
            "eta": eta,
        }


def parse_row(text: str) -> Row:
    """Return the row that a text describes; its names are checked by the course.

    Raises:
        ValueError: If the text has another form.
    """
    if (known := NAMES.get(text.strip())) is not None:
        return Row(text.strip(), known.solver, known.curve, dict(known.options))
    if len(text) > MAX_TEXT:
        raise ValueError(f"a row has at most {MAX_TEXT} characters, got {len(text)}.")
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"{text[:80]!r} is no sampler; write a name, name + curve, or"
            " name {option=value} + curve [option=value]."
        )
    options = parse_options(found["options"] or "")
    eta = options.get("eta")
    if eta is not None and (isinstance(eta, bool) or not isinstance(eta, (int, float))):
        raise ValueError(f"eta must be a number, got {eta!r}.")
    curve_options = {k: _frozen(v) for k, v in parse_options(found["curve_options"] or "").items()}
    return Row(text.strip(), found["name"], found["curve"], options, curve_options)


def write_row(name: str, options: str, curve: str | None, curve_options: str) -> str:
    """Return the text of a row from the fields of the form."""
    text = name + (f" {{{options.strip()}}}" if options.strip() else "")
    if curve:
        text += f" + {curve}" + (f" [{curve_options.strip()}]" if curve_options.strip() else "")
    return text


def offers(catalogue: pd.DataFrame) -> list[str]:
    """Return web UIs' names, then every sampler alone and with each curve it takes by name."""
    from sdlab.noise.curves import OWN as NEED_OPTIONS

    fits = catalogue[catalogue["compatible"]]
    fits = fits.sort_values("origin", kind="stable")
    return known_names(catalogue) + [
        text
        for name, curves in zip(fits["name"], fits["curves"], strict=True)
        for text in (name, *(f"{name} + {c}" for c in curves if c not in NEED_OPTIONS))
    ]


def preset(name: str, catalogue: pd.DataFrame, solver: str) -> list[str]:
    """Return the rows of a preset.

    Args:
        name: One of ``PRESETS``.
        catalogue: The table of ``sdlab.schedulers``.
        solver: For ``CURVES``: of which own solver.
    """
    from sdlab.noise.curves import names

    fits = catalogue[catalogue["compatible"]]
    theirs = fits[fits["origin"] == "diffusers"]
    if name == ALL:
        return [*theirs["name"]]
    if name == OWN:
        return [*fits.loc[fits["origin"] == "sdlab", "name"]]
    if name == CURVES:
        return [f"{solver} + {curve}" for curve in names()]
    takes = zip(theirs["name"], theirs["curves"], strict=True)
    karras = [own for own, curves in takes if "karras" in curves]
    return [text for one in karras for text in (one, f"{one} + karras")]


@st.cache_data(max_entries=512, show_spinner=False)
def row_table(
    text: str, num_steps: int, config: dict[str, Any], tokens: int | None = None
) -> pd.DataFrame:
    """Return the course of a row, one row an evaluation and one for the end.

    Args:
        text: The row.
        num_steps: Solver steps.
        config: The scheduler config in force.
        tokens: Latent tokens of the picture, for flow matching whose shift goes by them.

    Returns:
        Columns of ``Course.table``, and ``at`` (the step, its evaluations spread evenly over it),
        ``nfe`` (evaluations before it) and ``ratio``, sigma of the next step over this one's (of
        flow matching, the time t).

    Raises:
        ValueError: If the row, a name, an option or the number of steps is not valid.
    """
    import sdlab

    row = parse_row(text)
    with np.errstate(all="ignore"):
        course = sdlab.course(row.name, num_steps, config=config, tokens=tokens, **row.arguments())
        table = course.table()
    group = table.groupby("step")["sigma"]
    first = ~table["step"].duplicated()
    starts = table.loc[first, "flow_time" if "flow_time" in table else "sigma"]
    with np.errstate(all="ignore"):
        ratio = starts.shift(-1) / starts
    return table.assign(
        at=table["step"] + group.cumcount() / group.transform("size"),
        nfe=np.arange(len(table)),
        ratio=ratio.reindex(table.index),
    )


def thinned(frame: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Return at most about ``limit`` rows, of each series the first, the last and every n-th."""
    if len(frame) <= limit:
        return frame
    groups = frame.groupby("series", sort=False)
    every = -(-len(frame) // max(1, limit - 2 * groups.ngroups))
    place, size = groups.cumcount(), groups["step"].transform("size")
    return frame[(place % every == 0) | (place == size - 1)]


def styles(rows: Mapping[str, Row]) -> tuple[dict[str, str], dict[str, list[int]]]:
    """Return the colour and dash pattern of each row; no two rows look the same."""
    from dashboard.charts.schedules import distinct_dashes

    colors = {label: scheduler_color(row.name) for label, row in rows.items()}
    return colors, distinct_dashes({label: (colors[label], rows[label].curve) for label in rows})


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
