"""The controls of an experiment, all of them in the URL, and the experiment they make."""

import random
from dataclasses import dataclass
from typing import Any, TypedDict

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.messages import say_ignored_negative
from dashboard.shell.model_choice import model_choice
from dashboard.widgets.known_words import say_unknown
from dashboard.widgets.pipeline_controls import pipeline_controls
from dashboard.widgets.solver_menu import GROUPS, in_words, meaning, offered
from dashboard.widgets.typed import parse_options, parse_seed
from dashboard.worker.snapshots import ModelView
from sdlab.experiment.experiment import Experiment
from sdlab.models.guidance import Guidance
from sdlab.noise.curves import OWN, fixed_steps
from sdlab.runs.curves import curve_names, load_curve
from sdlab.sampler_names import Everyday
from sdlab.shipped import EMBEDDED

PROMPT = "a parrot on a beach"
OWN_CURVE = "as trained"
SAVED = "saved: "


class FineTuning(TypedDict):
    """Fields of an experiment that are seldom touched."""

    width: int | None
    height: int | None
    guidance_rescale: float
    eta: float | None
    solver_options: dict[str, Any]
    fast: bool


class CurveChoice(TypedDict):
    """An experiment's curve."""

    curve: str | None
    curve_options: dict[str, Any]


@dataclass(frozen=True)
class Choices:
    """What the controls offer.

    Attributes:
        catalogue: The table of ``sdlab.schedulers``.
        models: Names under which models can be asked for.
        model: The model in memory, if there is one.
    """

    catalogue: pd.DataFrame
    models: tuple[str, ...]
    model: ModelView | None


def experiment_controls(choices: Choices) -> Experiment:
    """Draw the controls and return their experiment.

    Raises:
        ValueError: If what was typed is no valid experiment; names field, value and fix.
    """
    model = model_choice(choices.models)
    own = choices.model if choices.model and choices.model.name == model else None
    prompt = bound().text_area("Prompt", PROMPT, key="experiment.prompt", height=84)
    if model == EMBEDDED:
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
    curve = _curve(left, solver, chosen)
    steps = bound(right).number_input(
        "Steps", 1, 1000, 25, key="experiment.steps", help="Solver steps."
    )
    cfg = bound().number_input(
        "Guidance scale (CFG)",
        0.0,
        20.0,
        4.0,
        0.5,
        key="experiment.cfg",
        help="uncond + s (cond - uncond). At 1 or less the unconditional half is not computed.",
    )
    note = st.container()
    tuned, curve_options = _more(own, solver, chosen)
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
        **chosen_curve(curve, curve_options, int(steps)),
    )


def chosen_curve(choice: str, typed: str, num_steps: int) -> CurveChoice:
    """Return the experiment's ``curve`` and ``curve_options`` for what was chosen and typed.

    Raises:
        ValueError: If the options are no options, or the curve is a table of other length.
        StoreError: If a saved curve is gone or damaged.
    """
    options = parse_options(typed, "curve options")
    curve = None if choice == OWN_CURVE else choice
    if choice.startswith(SAVED):
        saved = load_curve(choice.removeprefix(SAVED))
        curve, options = saved.curve, {**saved.options, **options}
    steps = fixed_steps(curve, options)
    if steps not in (None, num_steps):
        raise ValueError(
            f"the curve is a table of {steps} steps, so Steps must be {steps}, got {num_steps}."
        )
    return {"curve": curve, "curve_options": options}


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
    )
    chosen = meaning(name)
    if name != chosen.solver:
        st.caption(f"Here: {in_words(chosen)}.")
    fits = catalogue[catalogue["compatible"]].set_index("name", drop=False)
    row: Any = fits.loc[chosen.solver]
    return chosen, row


def _curve(place: st.delta_generator.DeltaGenerator, solver: pd.Series, chosen: Everyday) -> str:
    """Draw the curve; a name such as DPM++ 2M Karras has one, others what its program takes."""
    if chosen.curve and chosen.settled:
        place.selectbox(
            "Sigma curve",
            [chosen.curve],
            key=f"experiment.curve_{chosen.curve}_only",
            disabled=True,
            help=f"The name says it; choose {chosen.solver} to choose another.",
        )
        return chosen.curve
    first = chosen.curve or OWN_CURVE
    options = [OWN_CURVE, *solver["curves"]]
    if solver["custom_sigmas"]:
        options += [*OWN, *(SAVED + name for name in curve_names())]
    return bound(place).selectbox(
        "Sigma curve",
        options,
        options.index(first),
        # a curve chosen beside one default is none beside another
        key="experiment.curve" if first == OWN_CURVE else f"experiment.curve_{first}",
        help="How the noise level falls; 'as trained' is what the model's config says. On the"
        " Workbench page you can make your own.",
    )


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
            help="Reduces the spread of the guided prediction to that of the prediction with the "
            "prompt alone (Lin et al. 2023, section 3.4).",
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
            key="experiment.curve_options",
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
        help="Share of fresh noise a step: 0 is DDIM, 1 is DDPM.",
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
