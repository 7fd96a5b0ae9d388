"""Beta: timesteps at the quantiles of a Beta distribution."""

import numpy as np

from sdlab.errors import unknown
from sdlab.noise.curves.registry import curve
from sdlab.noise.schedule import Array, NoiseSchedule

OVER = ("timesteps", "sigmas")


@curve(
    "beta",
    "Timesteps at the quantiles of a Beta distribution: many at both ends, few between.",
    source="Lee et al. 2024 (arXiv 2407.12173), section 3",
    place=4,
)
def beta(
    num_steps: int,
    schedule: NoiseSchedule,
    alpha: float = 0.6,
    beta: float = 0.6,
    over: str = "timesteps",
) -> Array:
    """Return the sigmas at the quantiles of a Beta distribution, then 0, [num_steps + 1].

    With both parameters below 1 the steps crowd at the two ends: the first steps shape the picture,
    the last ones its detail.

    Args:
        num_steps: At least 1.
        schedule: Gives the timesteps and their sigmas.
        alpha: Shape at the low end, > 0; the smaller, the more steps there.
        beta: Shape at the high end, > 0.
        over: "timesteps", as in the paper, ComfyUI and Forge (which round to whole timesteps), or
            "sigmas", as diffusers' ``use_beta_sigmas`` does, which is another curve.

    Raises:
        ValueError: If a shape is not positive or ``over`` is unknown.

    Reference: Lee et al. 2024 (arXiv 2407.12173), section 3.
    """
    from scipy.special import betaincinv

    for name, value in (("alpha", alpha), ("beta", beta)):
        if not value > 0:
            raise ValueError(f"{name} must be above 0, got {value}.")
    if over == "sigmas":
        share = betaincinv(alpha, beta, 1.0 - np.linspace(0.0, 1.0, num_steps))
        low, high = schedule.sigma_min, schedule.sigma_max
        return np.append(low + share * (high - low), 0.0)
    if over != "timesteps":
        raise ValueError(unknown("value of over", over, OVER))
    share = betaincinv(alpha, beta, 1.0 - np.linspace(0.0, 1.0, num_steps, endpoint=False))
    return np.append(schedule.timestep_to_sigma(share * (schedule.num_timesteps - 1)), 0.0)
