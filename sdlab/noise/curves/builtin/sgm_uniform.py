"""SGM uniform: even timesteps that leave the last stride for 0."""

import numpy as np

from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array, NoiseSchedule


@curve(
    "sgm_uniform",
    "Even timesteps from full noise that leave the last stride for 0.",
    source="Stability AI generative-models; ComfyUI",
    place=3,
)
def sgm_uniform(num_steps: int, schedule: NoiseSchedule) -> Array:
    """Return the sigmas at even timesteps from the last to one stride above the first, then 0.

    "trailing" without its rounding: the last stride goes to 0 instead of to timestep 0.

    Reference: Stability's generative-models, ``LegacyDDPMDiscretization``; ComfyUI's
    "sgm_uniform".
    """
    steps = np.linspace(schedule.num_timesteps - 1, 0, num_steps + 1)[:-1]
    return np.append(schedule.timestep_to_sigma(steps), 0.0)
