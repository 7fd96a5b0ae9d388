"""The controls of the Solver bench page, every one of them in the URL."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import plain, sentence
from dashboard.views.solver_bench.data import problems
from dashboard.widgets.curve_choice import SAVED
from dashboard.widgets.sampler_rows import DDIM_SPACINGS, Row, parse_row
from sdlab.sampler_names import NAMES

OWN_CURVE = "as trained"
FIRST = ("euler", "heun", "dpm_2", "dpmpp_2m", "unipc", "DDIMScheduler")
MOST = 60
PATHS = {"vp": "Diffusion", "flow": "Flow matching"}
STEPS = (4, 8, 16, 32, 64, 128, 256, 512)
_MORE = {
    "pictures": "Every particle ends on one of them, so the error counts those that a solver "
    "leads to another picture than the true path does.",
}
_COSTS = {"evaluations": "nfe", "steps": "num_steps"}
_DDIM = (
    *("ddim", "euler", "DDIMScheduler", "DDIMParallelScheduler", "EulerDiscreteScheduler"),
    *("PNDMScheduler", "plms", "ddpm"),
)


@dataclass(frozen=True)
class BenchSettings:
    """What was chosen with the controls.

    Attributes:
        rows: The solvers and schedulers, each with the options and the curve that it runs with.
        curve: The curve that was asked for, as the menu calls it, or None.
        apart: Those that cannot follow it and use their own spacing.
        problem: A name of ``sdlab.bench.problems``.
        steps: Step counts.
        end: "zero" or "sigma_min".
        cost: "nfe" or "num_steps", the horizontal axis.
        path: "vp", or "flow" for flow matching's.
    """

    rows: tuple[Row, ...]
    curve: str | None
    apart: tuple[str, ...]
    problem: str
    steps: tuple[int, ...]
    end: str
    cost: str
    path: str = "vp"


def path_choice(page: str, default: str) -> str:
    """Draw the choice of the path and return it, "vp" or "flow".

    Args:
        page: For the widget keys.
        default: The loaded model's.
    """
    chosen = bound().segmented_control(
        "Path",
        list(PATHS),
        default=default,
        key=f"{page}.law",
        format_func=PATHS.get,
        help="How noise is mixed in: sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) n, as in Stable "
        "Diffusion 1 and 2, or (1 - t) x0 + t n, as in Stable Diffusion 3 and Flux.",
    )
    return str(chosen)


def bench_controls(page: str, catalogue: pd.DataFrame, path: str) -> BenchSettings:
    """Draw the controls and return what was chosen.

    Args:
        page: For the widget keys.
        catalogue: The solvers that can be measured.
        path: "vp" or "flow".
    """
    all_names = list(catalogue["name"])
    _preset_buttons(page, catalogue, all_names)
    texts = bound().multiselect(
        "Solvers and schedulers",
        [*(name for name, found in NAMES.items() if found.solver in all_names), *all_names],
        [name for name in FIRST if name in all_names],
        key=f"{page}.solvers",
        accept_new_options=True,
        max_selections=MOST,
        help="First what A1111, ComfyUI and Civitai call them, the curve included; then sdlab's "
        "solvers and plug-ins by short name, diffusers' schedulers by class. You can "
        "also type one with options and a curve: `ddim {eta=1} + karras [rho=5]`.",
    )
    left, middle, right = st.columns([2, 1, 2], gap="medium")
    problem = _problem(page, left)
    curve = _curve(page, middle, catalogue, path)
    low, high = bound(right).select_slider(
        "Step counts, each twice the one before",
        STEPS,
        (8, 256),
        key=f"{page}.steps",
        help="The problem is run once for each.",
    )
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        cost = bound().segmented_control(
            "Cost in",
            list(_COSTS),
            default="evaluations",
            key=f"{page}.cost",
            label_visibility="collapsed",
        )
        open_end = bound().toggle(
            "Leave out the last jump to sigma 0",
            key=f"{page}.open_end",
            help="sdlab's solvers then end at the smallest sigma above 0, where no floor hides "
            "their order. diffusers' schedulers end where they always do.",
        )
    rows, apart = _following(_read(texts, low, path), curve, catalogue)
    return BenchSettings(
        rows,
        curve,
        apart,
        problem,
        tuple(n for n in STEPS if low <= n <= high),
        "sigma_min" if open_end else "zero",
        _COSTS[cost],
        path,
    )


def _following(
    read: list[Row], curve: str | None, catalogue: pd.DataFrame
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Return the rows, each over the curve for all if it can follow it, and who cannot."""
    path, options = _opened(curve)
    can = catalogue.set_index("name")
    follow = can["custom_sigmas"] if options else can["curves"].map(lambda known: path in known)
    rows, apart = [], []
    for row in read:
        if row.curve is None and path is not None:
            if follow.get(row.name, False):
                row = replace(row, curve=path, curve_options=options)
            else:
                apart.append(row.text)
        rows.append(row)
    return tuple(rows), tuple(apart)


def _read(texts: list[str], num_steps: int, path: str) -> list[Row]:
    """Return the rows of what was chosen or typed; shows a message for those not measurable."""
    from sdlab.bench.ready_solver import enter
    from sdlab.experiment.spec import options_of

    rows = []
    for text in dict.fromkeys(texts):
        try:
            row = parse_row(text)
            row = replace(row, options=dict(options_of("options", row.options)))
            enter(
                row.name,
                num_steps,
                curve=row.curve,
                curve_options=row.curve_options,
                options=row.options,
                path=path,
            )
            rows.append(row)
        except ValueError as error:
            st.error(plain(f"{text[:80]}: {sentence(error)}"), icon=":material/error:")
    return rows


def _problem(page: str, place: st.delta_generator.DeltaGenerator) -> str:
    titles = problems().set_index("problem")["title"]
    names = list(titles.index)
    chosen = bound(place).selectbox(
        "Problem",
        names,
        names.index("mixture_2d"),
        key=f"{page}.problem",
        help="Data whose exact denoiser is known; it replaces the network.",
    )
    place.caption(f"{titles[chosen]}.", help=_MORE.get(chosen))
    return chosen


def _curve(
    page: str, place: st.delta_generator.DeltaGenerator, catalogue: pd.DataFrame, path: str
) -> str | None:
    own = catalogue[catalogue["origin"] == "sdlab"]["curves"].iloc[0]
    options = [OWN_CURVE, *(name for name in own if name not in ("formula", "sigmas", "points"))]
    options += [SAVED + name for name in _saved()]
    chosen = bound(place).selectbox(
        "Sigma curve",
        options,
        0 if path == "flow" else options.index("karras"),
        key=f"{page}.curve",
        help="'as trained' is Stable Diffusion's spacing, leading; of flow matching Stable "
        "Diffusion 3's even times, shifted by 3, over which the others are laid too. Saved curves "
        "are those of the Workbench by formula or points; a table fits only one number of steps.",
    )
    return None if chosen == OWN_CURVE else chosen


def _saved() -> list[str]:
    """Return the names of the saved curves that take any number of steps."""
    from sdlab.noise.curves import fixed_steps
    from sdlab.runs.curves import list_curves

    found = [(saved.name, saved.curve) for saved in list_curves()]
    return [name for name, c in found if c and fixed_steps(c.curve, c.options) is None]


def _opened(choice: str | None) -> tuple[str | None, dict[str, Any]]:
    """Return a curve's name and options for what was chosen."""
    from sdlab.runs.curves import load_curve

    if choice is None or not choice.startswith(SAVED):
        return choice, {}
    saved = load_curve(choice.removeprefix(SAVED))
    return saved.curve, saved.options


def _preset_buttons(page: str, catalogue: pd.DataFrame, names: list[str]) -> None:
    with st.container(horizontal=True, gap="small"):
        for number, (label, chosen) in enumerate(_presets(catalogue).items()):
            st.button(
                label,
                key=f"{page}.preset_{number}",
                type="tertiary",
                icon=":material/bolt:",
                on_click=_choose,
                args=(f"{page}.solvers", chosen(names)),
            )


def _presets(catalogue: pd.DataFrame) -> dict[str, Callable[[list[str]], list[str]]]:
    """Return what each preset chooses out of all names."""
    from sdlab.bench import TWELVE

    table = catalogue.set_index("name")
    steady = list(table.index[table["deterministic"]])
    drawing = list(table.index[~table["deterministic"] & (table["origin"] == "sdlab")])
    return {
        "A few": lambda every: [n for n in FIRST if n in every],
        "The benchmark's twelve": lambda every: [n for n in TWELVE if n in every],
        "Every deterministic one": lambda every: steady,
        "DDIM's three spacings": lambda every: list(DDIM_SPACINGS * ("DDIMScheduler" in every)),
        "DDIM and its relatives": lambda every: [n for n in _DDIM if n in every],
        "Ours that draw noise": lambda every: drawing,
    }


def _choose(key: str, names: list[str]) -> None:
    st.session_state[key] = names
