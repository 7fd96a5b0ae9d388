"""Which training timesteps a sampler visits, in diffusers' own words (``timestep_spacing``)."""

import numpy as np
from numpy.typing import NDArray

from sdlab.errors import unknown
from sdlab.noise.schedule import Array

SPACINGS = ("leading", "linspace", "trailing")


def spaced_timesteps(spacing: str, num_steps: int, num_timesteps: int, offset: int = 0) -> Array:
    """Return the timesteps that a spacing visits, descending, float64 [num_steps].

    Args:
        spacing: "leading", "linspace" or "trailing".
        num_steps: At least 1, at most ``num_timesteps``.
        num_timesteps: Training timesteps T.
        offset: Added to the leading ones (``steps_offset``).

    Raises:
        ValueError: If the spacing is unknown or there are more steps than timesteps.

    Reference: Lin et al. 2023 (arXiv 2305.08891), table 2. One step of "linspace" starts at
    T - 1, where diffusers' starts at 0 and so removes no noise.
    """
    if not 1 <= num_steps <= num_timesteps:
        raise ValueError(
            f"num_steps must be from 1 to {num_timesteps}, the schedule's timesteps, got"
            f" {num_steps}."
        )
    if spacing == "linspace":
        return np.linspace(num_timesteps - 1, 0, num_steps)
    if spacing == "leading":
        steps = np.arange(num_steps)[::-1] * (num_timesteps // num_steps) + offset
        if steps[0] >= num_timesteps:
            raise ValueError(
                f"num_steps={num_steps} with leading spacing and an offset of {offset} asks for"
                f" timestep {steps[0]}, beyond the schedule's last, {num_timesteps - 1}; take fewer"
                " steps or another spacing."
            )
        return steps.astype(np.float64)
    if spacing == "trailing":
        return np.round(np.arange(num_timesteps, 0, -num_timesteps / num_steps))[:num_steps] - 1.0
    raise ValueError(unknown("timestep spacing", spacing, SPACINGS))


def counted_down(num_steps: int, count: int) -> NDArray[np.int_]:
    """Return every (count / n)-th of 0 ... count - 1 from the last down, rounded up, int [n].

    Args:
        num_steps: n, at least 1 and at most ``count``.
        count: Levels that there are.

    Reference: ComfyUI ``simple_scheduler``.
    """
    stride = count / num_steps
    return np.array([count - 1 - int(step * stride) for step in range(num_steps)])
