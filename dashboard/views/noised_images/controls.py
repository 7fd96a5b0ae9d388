"""The controls of the Noised images page: two schedules, steps, seed, space and view."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.glossary import definition
from dashboard.views.noised_images.schedules import FLOW_TRAININGS, TRAININGS, ShownSchedule
from dashboard.widgets.curve_choice import OWN_CURVE, SAVED, chosen_curve
from dashboard.widgets.typed import parse_seed
from sdlab.noise.curves import OWN
from sdlab.runs.curves import curve_names

NONE = "none"
_DEFAULTS = {"A": ("ddim", OWN_CURVE), "B": ("dpmpp_2m", "karras")}
_SPACES = ("Latents", "Pixels")
_VIEWS = ("VP", "VE")
_FLOW_VIEWS = ("Flow", "VP")
_FITS = ("Crop", "Pad")
_ABOUT_SPACE = "Latents are encoded, noised and decoded by the VAE; pixels are noised as they are."
_ABOUT_VIEW = (
    "VP: sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps, as the network sees it. VE: x0 + sigma eps, "
    "rescaled to the picture's mean and spread, because its values grow too large to show."
)
_ABOUT_FLOW_VIEW = (
    "Flow: (1 - t) x0 + t eps, as the network sees it. VP: the same signal-to-noise ratio at the "
    "contrast of the picture, sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps."
)
_ABOUT_FIT = "How a picture of another shape is fitted to the model's size."


@dataclass(frozen=True)
class Settings:
    """What was chosen with the controls.

    Attributes:
        schedules: The schedules, one or two.
        num_steps: Solver steps.
        seed: Of the noise.
        space: "latents" or "pixels".
        view: "vp", "ve" or "flow".
        decode: Whether to decode although it is slow.
    """

    schedules: tuple[ShownSchedule, ...]
    num_steps: int
    seed: int
    space: str
    view: str
    decode: bool


def noised_controls(page: str, catalogue: pd.DataFrame, decodes_fast: bool) -> Settings:
    """Draw the controls and return what was chosen.

    Args:
        page: For the widget keys.
        catalogue: The table of ``sdlab.schedulers``.
        decodes_fast: Whether the model's VAE is quick; if not, a switch is drawn.

    Raises:
        ValueError: If the seed is no whole number in range, or a saved curve does not fit.
        StoreError: If a saved curve is gone or damaged.
    """
    fits = catalogue[catalogue["compatible"]]
    fits = fits.sort_values("origin", ascending=False, kind="stable").set_index("name", drop=False)
    flow = "flow" in set(fits["coordinates"])
    trainings = list(FLOW_TRAININGS if flow else TRAININGS)
    chosen = [row for name in _DEFAULTS if (row := _row(page, name, fits, trainings)) is not None]
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        steps = bound().number_input(
            "Steps",
            1,
            1000,
            20,
            key=f"{page}.steps",
            width=105,
            help=f"{definition('step')} The same for both schedules.",
        )
        seed = bound().text_input(
            "Seed",
            "7",
            key=f"{page}.seed",
            width=125,
            help="Of the noise. In latents it is the noise that a run of this seed starts from.",
        )
        space = _choice("Noise in", _SPACES, f"{page}.space", _ABOUT_SPACE)
        views, about = (_FLOW_VIEWS, _ABOUT_FLOW_VIEW) if flow else (_VIEWS, _ABOUT_VIEW)
        view = _choice("View", views, f"{page}.view", about)
    decode = decodes_fast
    if not decodes_fast and space == "latents":
        decode = bound().toggle(
            "Decode every frame",
            key=f"{page}.decode",
            help="This model's VAE is slow here, so a linear map draws the frames instead.",
        )
    number = parse_seed(seed or "")
    schedules = tuple(_shown_schedule(*row, int(steps)) for row in chosen)
    return Settings(schedules, int(steps), number, space, view, decode)


def fit_choice(page: str) -> str:
    """Draw the choice for a picture that is not of the model's shape: "crop" or "pad"."""
    return _choice("Fit", _FITS, f"{page}.how", _ABOUT_FIT)


def _row(
    page: str, name: str, fits: pd.DataFrame, trainings: list[str]
) -> tuple[str, str, str, str] | None:
    """Draw a schedule's controls and return its name, solver, curve and training schedule."""
    default, default_curve = _DEFAULTS[name]
    names = [*fits["name"]] if name == "A" else [NONE, *fits["name"]]
    key = f"{page}.{name.lower()}"
    first, second, third = st.columns([2, 1, 1])
    solver = bound(first).selectbox(
        f"Schedule {name}: solver or scheduler",
        names,
        names.index(default) if default in names else 0,
        key=f"{key}_solver",
    )
    if solver == NONE:
        return None
    curves = [OWN_CURVE, *(c for c in fits.loc[solver]["curves"] if c not in OWN)]
    if fits.loc[solver]["custom_sigmas"]:
        curves += [SAVED + saved for saved in curve_names()]
    own = default_curve if solver == default and default_curve in curves else OWN_CURVE
    curve = bound(second).selectbox(
        "Sigma curve",
        curves,
        curves.index(own),
        key=f"{key}_curve_{solver}",  # the curves that one solver takes are not another's
        help="How the noise level falls; 'as trained' is what the model's own config says.",
    )
    training = bound(third).selectbox(
        "Training schedule",
        trainings,
        key=f"{key}_training",
        help="Over which alpha_bar: the model's own, or a well-known one in its place; of flow "
        "matching over which shift of its times.",
    )
    return name, solver, curve, training


def _shown_schedule(
    name: str, solver: str, choice: str, training: str, num_steps: int
) -> ShownSchedule:
    curve = chosen_curve(choice, "", num_steps)
    options = tuple(sorted(curve["curve_options"].items()))
    curve_name = None if choice == OWN_CURVE else choice
    return ShownSchedule(name, solver, curve["curve"], options, curve_name, training)


def _choice(label: str, options: tuple[str, ...], key: str, about: str) -> str:
    chosen = bound().segmented_control(label, options, key=key, help=about)
    return chosen.lower()
