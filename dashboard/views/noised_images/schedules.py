"""The schedules of the Noised images page, and the noise levels that each visits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd

MOST_FRAMES = 26
_PLAIN = {"trained_betas": None, "rescale_betas_zero_snr": False}
TRAININGS: dict[str, dict[str, Any]] = {
    "as trained": {},
    "scaled linear": {
        **_PLAIN,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
    },
    "linear": {**_PLAIN, "beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02},
    "cosine": {**_PLAIN, "beta_schedule": "squaredcos_cap_v2"},
    "sigmoid": {**_PLAIN, "beta_schedule": "sigmoid", "beta_start": 0.0001, "beta_end": 0.02},
    "zero terminal SNR": {"rescale_betas_zero_snr": True},
    "EDM": {},
    "flow matching": {},
}
FLOW_TRAININGS: dict[str, dict[str, Any]] = {
    "as trained": {},
    "no shift": {"shift": 1.0, "flow_shift": 1.0, "use_dynamic_shifting": False},
    "shift 3": {"shift": 3.0, "flow_shift": 3.0, "use_dynamic_shifting": False},
    "shift 6": {"shift": 6.0, "flow_shift": 6.0, "use_dynamic_shifting": False},
}
"""Shifts of a flow-matching model's times, in place of betas, which it has none of."""
OTHER_LAWS = ("EDM", "flow matching")  # no betas, which diffusers' schedulers are made of


@dataclass(frozen=True)
class ShownSchedule:
    """One schedule: who samples, along which curve, over which training schedule.

    Attributes:
        name: "A" or "B".
        solver: A solver's short name or a diffusers class.
        curve: How sigma falls; None for what the config says.
        curve_options: Its options, by name.
        curve_name: What the curve is called on the page; None where nothing was chosen.
        training: One of ``TRAININGS``, or of a flow-matching model ``FLOW_TRAININGS``.
    """

    name: str
    solver: str
    curve: str | None
    curve_options: tuple[tuple[str, Any], ...]
    curve_name: str | None
    training: str

    @property
    def label(self) -> str:
        """What it is called on charts."""
        own = [self.curve_name, None if self.training == "as trained" else self.training]
        return f"{self.name}: " + ", ".join([self.solver, *filter(None, own)])


@st.cache_data(max_entries=200, show_spinner=False)
def levels(
    shown: ShownSchedule, num_steps: int, config: dict[str, Any], tokens: int | None = None
) -> "pd.DataFrame":
    """Return the noise levels that a schedule visits; see ``sdlab.latents.noised.visited``.

    Args:
        shown: The schedule.
        num_steps: Solver steps.
        config: The model's scheduler config.
        tokens: Latent tokens of the picture, for a shift that goes by them.

    Raises:
        ValueError: If solver, curve, training schedule and steps do not go together.
    """
    import sdlab
    from sdlab.latents.noised import visited
    from sdlab.noise import NoiseSchedule
    from sdlab.noise.flow import is_flow
    from sdlab.solvers.registry import solvers

    if is_flow(config):
        changes = FLOW_TRAININGS[shown.training]
        taken = {key: value for key, value in changes.items() if key in config}
        course = sdlab.course(
            shown.solver,
            num_steps,
            config={**config, **taken},
            curve=shown.curve,
            curve_options=dict(shown.curve_options),
            tokens=tokens,
        )
        return visited(course, MOST_FRAMES)
    changes = TRAININGS[shown.training]
    options: dict[str, Any] = {}
    schedule = None
    if shown.training in OTHER_LAWS:
        if shown.solver not in solvers():
            raise ValueError(
                f"{shown.solver} cannot follow {shown.training}: it is made of betas, and"
                f" {shown.training} has none. Choose a solver of ours, such as euler or ddim."
            )
        edm = shown.training == "EDM"
        schedule = NoiseSchedule.edm() if edm else NoiseSchedule.flow_matching()
    if changes.get("rescale_betas_zero_snr") and shown.solver not in solvers():
        changes, options = {}, changes  # so that a class that cannot do it says so
    course = sdlab.course(
        shown.solver,
        num_steps,
        config={**config, **changes},
        schedule=schedule,
        options=options,
        curve=shown.curve,
        curve_options=dict(shown.curve_options),
    )
    return visited(course, MOST_FRAMES)
