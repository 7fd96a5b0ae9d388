"""The timesteps that diffusers' ``timestep_spacing`` visits: "leading", "linspace", "trailing"."""

import numpy as np

from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array, NoiseSchedule
from sdlab.noise.spacings import spaced_timesteps


@curve(
    "leading",
    "Whole strides of timesteps counted from the clean end; starts below full noise.",
    source="Lin et al. 2023 (arXiv 2305.08891), table 2; diffusers timestep_spacing",
    place=0,
    also="ddim_uniform",  # ComfyUI's
)
def leading(num_steps: int, schedule: NoiseSchedule) -> Array:
    """Return the sigmas at every (T // num_steps)-th timestep from the low end, then 0."""
    return _spaced("leading", num_steps, schedule)


@curve(
    "linspace",
    "Even timesteps that include the first and the last.",
    source="Lin et al. 2023 (arXiv 2305.08891), table 2; diffusers timestep_spacing",
    place=1,
    also="normal",  # ComfyUI's
)
def linspace(num_steps: int, schedule: NoiseSchedule) -> Array:
    """Return the sigmas at even timesteps from the last to the first, then 0."""
    return _spaced("linspace", num_steps, schedule)


@curve(
    "trailing",
    "Whole strides of timesteps counted from full noise; right for very few steps.",
    source="Lin et al. 2023 (arXiv 2305.08891), table 2; diffusers timestep_spacing",
    place=2,
)
def trailing(num_steps: int, schedule: NoiseSchedule) -> Array:
    """Return the sigmas at even timesteps counted from the last, then 0."""
    return _spaced("trailing", num_steps, schedule)


def _spaced(name: str, num_steps: int, schedule: NoiseSchedule) -> Array:
    steps = spaced_timesteps(name, num_steps, schedule.num_timesteps, schedule.steps_offset)
    return np.append(schedule.timestep_to_sigma(steps), 0.0)
