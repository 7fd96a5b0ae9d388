"""LCM: the timesteps that a Latent Consistency Model was distilled on."""

import numpy as np

from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array, NoiseSchedule


@curve(
    "lcm",
    "The timesteps that a Latent Consistency Model was distilled on.",
    source="Luo et al. 2023 (arXiv 2310.04378), section 4.3",
    place=5,
)
def lcm(num_steps: int, schedule: NoiseSchedule, original_inference_steps: int = 50) -> Array:
    """Return the sigmas of a Latent Consistency Model's timesteps, then 0, [num_steps + 1].

    The network was distilled on every (T // original_inference_steps)-th timestep; the sampler
    takes ``num_steps`` of those.

    Args:
        num_steps: At most ``original_inference_steps``.
        schedule: Gives the timesteps T and their sigmas.
        original_inference_steps: Timesteps that it was distilled on.

    Raises:
        ValueError: If there are more steps than distilled timesteps, or more of those than T.

    Reference: Luo et al. 2023 (arXiv 2310.04378), section 4.3; diffusers ``LCMScheduler``.
    """
    total = schedule.num_timesteps
    if not 1 <= original_inference_steps <= total:
        raise ValueError(
            f"original_inference_steps must be from 1 to {total}, the schedule's timesteps, got"
            f" {original_inference_steps}."
        )
    if num_steps > original_inference_steps:
        raise ValueError(
            f"the lcm curve has {original_inference_steps} timesteps to choose from, got num_steps"
            f" {num_steps}; take fewer steps, or set original_inference_steps."
        )
    distilled = (
        np.arange(original_inference_steps, 0, -1) * (total // original_inference_steps)
    ) - 1
    chosen = np.floor(np.linspace(0, len(distilled), num_steps, endpoint=False)).astype(int)
    return np.append(schedule.timestep_to_sigma(distilled[chosen]), 0.0)
