"""Curves chosen in training timesteps: which of them a sampler visits.

"leading", "linspace" and "trailing" are diffusers' own words (``timestep_spacing``); the others are
what Latent Consistency Models, ComfyUI and Beta sampling visit. A timestep may be fractional: ln
sigma is linear between the integer ones.
"""

import numpy as np

from sdlab.errors import unknown
from sdlab.noise.schedule import Array, NoiseSchedule

SPACINGS = ("leading", "linspace", "trailing")
BETA_OVER = ("timesteps", "sigmas")


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


def leading(num_steps: int, schedule: NoiseSchedule) -> Array:
    """Return the sigmas at every (T // num_steps)-th timestep from the low end, then 0."""
    return _spaced("leading", num_steps, schedule)


def linspace(num_steps: int, schedule: NoiseSchedule) -> Array:
    """Return the sigmas at even timesteps from the last to the first, then 0."""
    return _spaced("linspace", num_steps, schedule)


def trailing(num_steps: int, schedule: NoiseSchedule) -> Array:
    """Return the sigmas at even timesteps counted from the last, then 0."""
    return _spaced("trailing", num_steps, schedule)


def sgm_uniform(num_steps: int, schedule: NoiseSchedule) -> Array:
    """Return the sigmas at even timesteps from the last to one stride above the first, then 0.

    "trailing" without its rounding: the last stride goes to 0 instead of to timestep 0.

    Reference: Stability's generative-models, ``LegacyDDPMDiscretization``; ComfyUI's
    "sgm_uniform".
    """
    steps = np.linspace(schedule.num_timesteps - 1, 0, num_steps + 1)[:-1]
    return np.append(schedule.timestep_to_sigma(steps), 0.0)


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


def beta(
    num_steps: int,
    schedule: NoiseSchedule,
    alpha: float = 0.6,
    beta: float = 0.6,
    over: str = "timesteps",
) -> Array:
    """Return the sigmas at the quantiles of a Beta distribution, then 0, [num_steps + 1].

    Below 1 both parameters crowd the steps at the two ends: the first shape the picture, the last
    its detail.

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
        raise ValueError(unknown("value of over", over, BETA_OVER))
    share = betaincinv(alpha, beta, 1.0 - np.linspace(0.0, 1.0, num_steps, endpoint=False))
    return np.append(schedule.timestep_to_sigma(share * (schedule.num_timesteps - 1)), 0.0)


def _spaced(name: str, num_steps: int, schedule: NoiseSchedule) -> Array:
    steps = spaced_timesteps(name, num_steps, schedule.num_timesteps, schedule.steps_offset)
    return np.append(schedule.timestep_to_sigma(steps), 0.0)
