"""The noise levels that an engine tabulates for a model, and its way between level and timestep.

Engines differ here before any scheduler comes in: ComfyUI takes the nearest of 1000 timesteps for a
sigma, k-diffusion and AUTOMATIC1111 interpolate ln sigma between them, and each has its own end for
zero terminal SNR and its own shift of flow matching.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sdlab.noise.flow import shifted
from sdlab.noise.schedule import Array, NoiseSchedule
from sdlab.passports.presets import Preset

LAST_ALPHA_BAR = 4.8973451890853435e-08
"""What ComfyUI and AUTOMATIC1111 put in the place of an alpha_bar of 0: sigma 4518.8 (diffusers
has 4096)."""


class Levels(NamedTuple):
    """Noise levels from low to high, as an engine lays them out.

    Attributes:
        sigmas: float64 [T], ascending; of flow matching the times t.
        sigma_of: The level of a timestep, any shape.
        timestep_of: The timestep of a level, any shape; what the network is told.
    """

    sigmas: Array
    sigma_of: Callable[[Array], Array]
    timestep_of: Callable[[Array], Array]

    @property
    def sigma_min(self) -> float:
        """The lowest level."""
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        """The highest level."""
        return float(self.sigmas[-1])


def discrete(sigmas: Array, *, nearest: bool) -> Levels:
    """Return the levels of trained timesteps; between them ln sigma is linear in the timestep.

    Args:
        sigmas: [T], ascending.
        nearest: Whether a sigma's timestep is the nearest one, as in ComfyUI, or lies between two.

    Reference: k-diffusion ``DiscreteSchedule``; ComfyUI ``ModelSamplingDiscrete``.
    """
    logs, steps = np.log(sigmas), np.arange(len(sigmas), dtype=float)

    def sigma_of(timestep: Array) -> Array:
        return np.exp(np.interp(timestep, steps, logs))

    def timestep_of(sigma: Array) -> Array:
        between: Array = np.interp(np.log(sigma), logs, steps)
        if not nearest:
            return between
        low = np.floor(between).astype(int)
        high = np.minimum(low + 1, len(logs) - 1)
        lower = np.abs(np.log(sigma) - logs[low]) <= np.abs(np.log(sigma) - logs[high])
        return np.where(lower, low, high).astype(float)

    return Levels(sigmas, sigma_of, timestep_of)


def edm(sigma_min: float, sigma_max: float) -> Levels:
    """Return a thousand levels even in ln sigma, whose timestep is ln(sigma) / 4.

    Reference: ComfyUI ``ModelSamplingContinuousEDM``; Karras et al. 2022 (arXiv 2206.00364), table
    1, c_noise.
    """
    sigmas = np.exp(np.linspace(np.log(sigma_min), np.log(sigma_max), 1000))
    return Levels(sigmas, lambda t: np.exp(4.0 * t), lambda sigma: np.log(sigma) / 4.0)


def flow(shift: float, count: int = 1000, multiplier: float = 1000.0) -> Levels:
    """Return the times k / count of flow matching after a shift, k from 1.

    A timestep is the multiplier times t *before* the shift on the way to a level, but times the
    shifted t on the way back: ComfyUI's "normal" and "sgm_uniform" so shift their low end twice.

    Args:
        shift: The factor of sigma; exp(mu) for Flux.
        count: 1000, of Flux 10,000.
        multiplier: 1000 or 1.

    Reference: ComfyUI ``ModelSamplingDiscreteFlow`` and ``ModelSamplingFlux``.
    """
    return Levels(
        shifted(np.arange(1, count + 1) / count, shift),
        lambda t: shifted(np.asarray(t) / multiplier, shift),
        lambda time: np.asarray(time, dtype=np.float64) * multiplier,
    )


def betas(preset: Preset, *, single: bool = False) -> Array:
    """Return the sigmas of a preset's betas, float64 [T], ascending and finite.

    Args:
        preset: Of kind "discrete".
        single: Whether alpha_bar is held in float32, as the checkpoints of Stable Diffusion hold
            it: near 1 that rounds the lowest sigma by 1.3e-5 of itself.
    """
    bar = np.array(NoiseSchedule.from_config(preset.config).alpha_bar)
    if bar[-1] == 0:
        bar[-1] = LAST_ALPHA_BAR
    bar = bar.astype(np.float32).astype(np.float64) if single else bar
    return np.sqrt((1.0 - bar) / bar)
