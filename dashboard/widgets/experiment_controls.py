"""The controls of an experiment, all of them in the URL, and the experiment they make."""

import random
from dataclasses import dataclass
from typing import Any, TypedDict

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.glossary import definition
from dashboard.shell.messages import plain, say_ignored_negative
from dashboard.shell.model_choice import model_choice
from dashboard.widgets.curve_choice import (
    OPTIONS,
    chosen_curve,
    curve_field,
    say_curve,
    solver_changed,
)
from dashboard.widgets.known_words import say_unknown
from dashboard.widgets.pipeline_controls import pipeline_controls
from dashboard.widgets.solver_menu import (
    GROUPS,
    best_link,
    held_against,
    in_words,
    meaning,
    offered,
)
from dashboard.widgets.typed import parse_options, parse_seed
from dashboard.worker.snapshots import ModelView
from sdlab.experiment.experiment import Experiment
from sdlab.models.guidance import Guidance
from sdlab.sampler_names import Everyday, titled
from sdlab.shipped import SHIPPED

PROMPT = "a parrot on a beach"


class FineTuning(TypedDict):
    """Fields of an experiment that are seldom touched."""

    width: int | None
    height: int | None
    guidance_rescale: float
    eta: float | None
    solver_options: dict[str, Any]
    fast: bool


@dataclass(frozen=True)
class Choices:
    """What the controls offer.

    Attributes:
        catalogue: The table of ``sdlab.schedulers``.
        models: Names under which models can be asked for.
        held: The models in memory.
    """

    catalogue: pd.DataFrame
    models: tuple[str, ...]
    held: tuple[ModelView, ...]


def experiment_controls(choices: Choices) -> Experiment:
    """Draw the controls and return their experiment.

    Raises:
        ValueError: If what was typed is no valid experiment; names field, value and fix.
    """
    model = model_choice(choices.models)
    own = next((held for held in choices.held if held.name == model), None)
    prompt = bound().text_area("Prompt", PROMPT, key="experiment.prompt", height=84)
    if model in SHIPPED:
        say_unknown(prompt or "")
    negative = bound().text_input(
        "Negative prompt",
        key="experiment.negative",
        placeholder="what to steer away from",
        help="Replaces the empty prompt in guidance; used when CFG is above 1.",
    )
    seed = _seed()
    chosen, solver = _solver(choices.catalogue)
    left, right = st.columns(2)
    curve = curve_field(left, solver, chosen)
    steps = bound(right).number_input(
        "Steps", 1, 1000, 25, key="experiment.steps", help=definition("step")
    )
    curve_note = st.container()
    best_link(held_against(chosen.solver, choices.catalogue), int(steps))
    cfg = bound().number_input(
        "Guidance scale (CFG)",
        0.0,
        20.0,
        4.0,
        0.5,
        key="experiment.cfg",
        help=definition("guidance"),
    )
    note = st.container()
    tuned, curve_options = _more(own, solver, chosen)
    of_curve = chosen_curve(curve, curve_options, int(steps))
    with curve_note:
        say_curve(of_curve)
    further = pipeline_controls("experiment", own, tuned["width"], tuned["height"])
    guidance = own.guidance if own else Guidance()
    with note:
        say_ignored_negative(negative or "", float(cfg), guidance, further.get("true_cfg_scale"))
    return Experiment(
        model=model,
        prompt=prompt or "",
        negative_prompt=negative or "",
        seed=parse_seed(seed),
        solver=str(solver["name"]),
        num_steps=int(steps),
        guidance_scale=float(cfg),
        **tuned,
        **further,
        **of_curve,
    )


def _seed() -> str:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = bound().text_input(
            "Seed",
            "7",
            key="experiment.seed",
            help="The same seed gives the same start noise as torch.Generator().manual_seed.",
        )
        st.button(
            "",
            key="experiment.dice",
            icon=":material/casino:",
            help="Another seed",
            on_click=_roll,
        )
    return text or ""


def _roll() -> None:
    st.session_state["experiment.seed"] = str(random.randrange(2**32))


def _solver(catalogue: pd.DataFrame) -> tuple[Everyday, pd.Series]:
    """Return what the chosen name means, and the solver's row of the catalogue."""
    names = offered(catalogue)
    name = bound().selectbox(
        "Solver or scheduler",
        names,
        names.index("ddim") if "ddim" in names else 0,
        key="experiment.solver",
        help=GROUPS,
        on_change=solver_changed,
        args=("experiment.solver", dict(catalogue.set_index("name")["custom_sigmas"])),
    )
    chosen = meaning(name)
    if name != chosen.solver:
        st.caption(f"Here: {in_words(chosen)}.")
    elif titled(name) != name:
        st.caption(f"Web UIs call it {plain(titled(name).partition(' (')[0])}.")
    fits = catalogue[catalogue["compatible"]].set_index("name", drop=False)
    row: Any = fits.loc[chosen.solver]
    return chosen, row


def _more(model: ModelView | None, solver: pd.Series, chosen: Everyday) -> tuple[FineTuning, str]:
    """Return what is chosen, and the curve's options as they are typed."""
    with st.expander("Size, fine tuning", key="experiment.more"):
        width, height = _size(model)
        rescale = bound().number_input(
            "Guidance rescale",
            0.0,
            1.0,
            0.0,
            0.05,
            key="experiment.rescale",
            help=definition("guidance rescale"),
        )
        eta = _eta(float(solver["eta"])) if solver["takes_eta"] else None
        options = bound().text_input(
            "Solver options",
            key="experiment.options",
            placeholder="name=value, name=value",
            help="Parameters of the solver or of the scheduler's class.",
        )
        curve_options = bound().text_input(
            "Curve options",
            key=OPTIONS,
            placeholder="rho=5, or formula=sigma_max*(1-u)+0.1",
            help="Parameters of the sigma curve, for sdlab's solvers.",
        )
        fast = bound().toggle(
            "Fast (bfloat16)",
            key="experiment.fast",
            help="The U-Net of a float32 model computes in bfloat16: quicker on a recent server "
            "CPU, and the picture differs a little.",
        )
    tuned = FineTuning(
        width=width,
        height=height,
        guidance_rescale=float(rescale),
        eta=eta,
        solver_options={**chosen.options, **parse_options(options or "")},
        fast=bool(fast),
    )
    return tuned, curve_options or ""


def _eta(own: float) -> float | None:
    """Draw the field, which shows the solver's default and returns None while it does."""
    eta = bound().number_input(
        "Eta",
        0.0,
        1.0,
        own,
        0.05,
        key=f"experiment.eta_{own:g}",  # a value chosen for one default is none for another
        help=definition("eta"),
    )
    return None if eta == own else eta


def _size(model: ModelView | None) -> tuple[int | None, int | None]:
    own = model.default_size if model else (0, 0)
    sides = []
    for place, name, side in zip(st.columns(2), ("width", "height"), own, strict=True):
        sides.append(
            bound(place).number_input(
                f"{name.title()} (px)",
                8,
                4096,
                None,
                8,
                key=f"experiment.{name}",
                placeholder=f"{side} (the model's own)" if side else "the model's own",
            )
        )
    return sides[0], sides[1]
