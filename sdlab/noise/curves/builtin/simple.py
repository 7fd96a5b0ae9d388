"""Simple: every (T / n)-th timestep counted down from the last, rounded down."""

import numpy as np

from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array, NoiseSchedule
from sdlab.noise.spacings import counted_down


@curve(
    "simple",
    "Timesteps counted down from full noise; trailing, rounded another way.",
    source="ComfyUI simple_scheduler",
    place=3,
)
def simple(num_steps: int, schedule: NoiseSchedule) -> Array:
    """Return the sigmas at every (T / n)-th timestep from the last, then 0, [num_steps + 1].

    Reference: ComfyUI's "simple"; where n divides T it is "trailing".
    """
    steps = counted_down(num_steps, schedule.num_timesteps)
    return np.append(schedule.timestep_to_sigma(steps), 0.0)
