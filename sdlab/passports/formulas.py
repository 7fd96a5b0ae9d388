"""The schedulers' formulas that several engines share, over an engine's ``Levels``.

Each takes the number of steps and returns descending levels, most with a 0 behind them. Karras,
exponential, polyexponential, KL optimal and linear-quadratic are ``sdlab.curves``'.
"""

import numpy as np

from sdlab.noise.curves.builtin.align_your_steps import AYS_SD15, AYS_SDXL
from sdlab.noise.schedule import Array
from sdlab.noise.spacings import counted_down
from sdlab.passports.levels import Levels

AYS = {"sd15": AYS_SD15, "sdxl": AYS_SDXL}


def closed(sigmas: Array) -> Array:
    """Return levels with a 0 behind them, [n + 1]."""
    return np.append(sigmas, 0.0)


def simple(num_steps: int, levels: Levels) -> Array:
    """Return every (T / n)-th level counted down from the highest, then 0."""
    return closed(levels.sigmas[counted_down(num_steps, len(levels.sigmas))])


def ddim_uniform(num_steps: int, levels: Levels) -> Array:
    """Return every (T // n)-th level counted up from the second lowest, then 0.

    Whole strides from the low end: it starts below the highest level, and where n does not divide
    T there may be more steps than were asked for, seven of which are eight. A second lowest level
    that is almost 0 stands for the 0.

    Reference: ComfyUI ``ddim_scheduler``; AUTOMATIC1111's "ddim" is the same.
    """
    is_end = abs(levels.sigmas[1]) <= 1e-5
    stride = max(len(levels.sigmas) // (num_steps + is_end), 1)
    descending = levels.sigmas[1::stride][::-1]
    return descending if is_end else closed(descending)


def even_timesteps(num_steps: int, levels: Levels, *, sgm: bool = False) -> Array:
    """Return the levels at even timesteps from the highest to the lowest, then 0.

    Args:
        num_steps: n.
        levels: The engine's.
        sgm: Leave the last stride for 0: n + 1 even timesteps without the lowest.

    Reference: k-diffusion ``DiscreteSchedule.get_sigmas``; ComfyUI ``normal_scheduler``; for
    ``sgm`` Stability's generative-models ``LegacyDDPMDiscretization``.
    """
    high, low = (
        float(levels.timestep_of(np.array([end]))[0])
        for end in (levels.sigma_max, levels.sigma_min)
    )
    if sgm:
        return closed(levels.sigma_of(np.linspace(high, low, num_steps + 1)[:-1]))
    is_end = abs(float(levels.sigma_of(np.array(low)))) <= 1e-5
    sigmas = levels.sigma_of(_descending(high, low, num_steps + is_end))
    return sigmas if is_end else closed(sigmas)


def beta_timesteps(num_steps: int, levels: Levels, alpha: float = 0.6, beta: float = 0.6) -> Array:
    """Return the levels at the quantiles of a Beta distribution over whole timesteps, then 0.

    A timestep that comes twice is taken once, so there may be fewer steps than were asked for.

    Reference: Lee et al. 2024 (arXiv 2407.12173), section 3; ComfyUI ``beta_scheduler``.
    """
    from scipy.special import betaincinv

    share = betaincinv(alpha, beta, 1.0 - np.linspace(0.0, 1.0, num_steps, endpoint=False))
    places = np.rint(share * (len(levels.sigmas) - 1)).astype(int)
    kept = np.append(True, places[1:] != places[:-1])
    return closed(levels.sigmas[places[kept]])


def beta_sigmas(num_steps: int, low: float, high: float, alpha: float, beta: float) -> Array:
    """Return sigmas themselves at the quantiles of a Beta distribution, then 0.

    Reference: AUTOMATIC1111 ``beta_scheduler``: over sigmas, where the paper has timesteps.
    """
    from scipy.special import betaincinv

    share = betaincinv(alpha, beta, _descending(1.0, 0.0, num_steps))
    return closed(low + share * (high - low))


def log_interpolated(table: tuple[float, ...], count: int) -> Array:
    """Return ``count`` levels of a table, interpolated linearly in ln sigma.

    Reference: Sabour et al. 2024 (arXiv 2404.14507), the authors' advice for other step counts.
    """
    places = np.linspace(0.0, 1.0, len(table))
    return np.exp(np.interp(np.linspace(0.0, 1.0, count), places, np.log(table)))


def turbo_timesteps(num_steps: int) -> Array:
    """Return whole timesteps counted down from 999 in strides of 1000 / n.

    Reference: SD-Turbo's spacing ("trailing"), as Forge has it for any n.
    """
    steps = np.arange(num_steps, 0, -1) * (1000.0 / num_steps) - 1.0
    whole: Array = np.clip(np.rint(steps), 0, 999)
    return whole


def _descending(high: float, low: float, count: int) -> Array:
    """Return ``count`` even numbers from high to low; one alone is high, as PyTorch has it."""
    even: Array = np.linspace(high, low, count)
    return even
