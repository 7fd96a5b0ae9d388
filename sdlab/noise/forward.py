r"""The forward process q(x_t | x0): a sample with as much noise as a schedule says.

Variance preserving, as the network sees it: x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps
(Ho et al. 2020, arXiv 2006.11239, eq. 4). Variance exploding: x0 + sigma eps, the same sample times
sqrt(1 + sigma^2). Flow matching: (1 - t) x0 + t eps with t = sigma / (1 + sigma). The noise is
given, so that two schedules can be compared on the same draw. It works on latents and on pixels in
[-1, 1], in NumPy or torch, whichever ``x0`` is.
"""

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from sdlab.errors import unknown
from sdlab.noise.flow import sigma_to_time
from sdlab.noise.schedule import Array, NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

Sample = TypeVar("Sample", Array, "Tensor")
KINDS = ("vp", "ve", "flow")


def signal_and_noise(sigma: ArrayLike, path: str) -> tuple[Array, Array]:
    """Return how much signal and how much noise x_t has as the network is given it, any shape.

    Args:
        sigma: Noise over signal, from 0 to inf.
        path: "vp": sqrt(alpha_bar) and sqrt(1 - alpha_bar); "flow": 1 - t and t.
    """
    level = np.asarray(sigma, dtype=np.float64)
    if path == "flow":
        time = sigma_to_time(level)
        return 1.0 - time, time
    with np.errstate(divide="ignore"):
        alpha_bar = 1.0 / (1.0 + level**2)
    return np.sqrt(alpha_bar), np.sqrt(1.0 - alpha_bar)


def add_noise(x0: Sample, noise: Sample, sigma: ArrayLike, kind: str = "vp") -> Sample:
    """Return x_t of x0 at a noise level, in the shape and dtype of ``x0``.

    Args:
        x0: Latents or pixels, float array or tensor [B, C, h, w], or any other shape.
        noise: Standard normal, in the shape of ``x0``.
        sigma: One noise level from 0 to inf (not for "ve") for all, or [B], one for each image.
        kind: "vp", "ve" or "flow".

    Raises:
        ValueError: If the shapes differ, sigma is negative, NaN, or infinite for "ve", or the
            kind is unknown.
    """
    level = np.asarray(sigma, dtype=np.float64)
    if kind not in KINDS:
        raise ValueError(unknown("kind of forward process", kind, KINDS))
    if np.isnan(level).any() or (level < 0).any() or (kind == "ve" and np.isinf(level).any()):
        raise ValueError(f"sigma must be 0 or more and finite (VP: inf too), got {level}.")
    if kind == "ve":
        return _mix(x0, noise, np.ones_like(level), level)
    return _mix(x0, noise, *signal_and_noise(level, kind))


def add_noise_at(
    x0: Sample, noise: Sample, timestep: ArrayLike, schedule: NoiseSchedule, kind: str = "vp"
) -> Sample:
    """Return x_t of x0 at a training timestep of a schedule.

    Args:
        x0: As in ``add_noise``.
        noise: As in ``add_noise``.
        timestep: 0 ... T - 1, may be fractional; one for all, or [B].
        schedule: Gives alpha_bar; where it is exactly 0, VP and flow give the noise alone.
        kind: "vp", "ve" or "flow".

    Raises:
        ValueError: If a timestep lies outside the schedule, and as ``add_noise`` does.
    """
    return add_noise(x0, noise, sigma_at(timestep, schedule), kind)


def sigma_at(timestep: ArrayLike, schedule: NoiseSchedule) -> Array:
    """Return the noise level of timesteps; at whole ones exactly the schedule's, even if infinite.

    Raises:
        ValueError: If a timestep lies outside the schedule.
    """
    t = np.asarray(timestep, dtype=np.float64)
    between = schedule.timestep_to_sigma(t)
    return np.where(t == np.round(t), schedule.sigma[np.round(t).astype(int)], between)


def snr_db(sigma: ArrayLike) -> Array:
    """Return the signal-to-noise ratio of noise levels in decibels, -20 log10 sigma, any shape."""
    with np.errstate(divide="ignore"):
        return -20.0 * np.log10(np.asarray(sigma, dtype=np.float64))


def psnr(reference: Any, other: Any, peak: float = 2.0) -> float:
    """Return the peak signal-to-noise ratio of two pictures in decibels; inf if they are equal.

    Args:
        reference: Array or tensor, any shape.
        other: In the same shape.
        peak: Largest possible value minus smallest: 2 for pixels in [-1, 1], 255 for bytes.

    Raises:
        ValueError: If the shapes differ.
    """
    a, b = (np.asarray(x, dtype=np.float64) for x in (reference, other))
    if a.shape != b.shape:
        raise ValueError(f"pictures must have one shape, got {a.shape} and {b.shape}.")
    error = float(np.mean((a - b) ** 2))
    return float(10.0 * np.log10(peak**2 / error)) if error else float("inf")


def _mix(x0: Sample, noise: Sample, signal: Array, amount: Array) -> Sample:
    if tuple(x0.shape) != tuple(noise.shape):
        raise ValueError(
            f"noise must have the shape of x0, {tuple(x0.shape)}, got {tuple(noise.shape)}."
        )
    if signal.ndim > 1 or (signal.ndim == 1 and len(signal) not in (1, x0.shape[0])):
        raise ValueError(
            f"give one noise level, or one for each of {x0.shape[0]} images, got {signal.shape}."
        )
    a, b = (
        value.reshape(-1, *[1] * (x0.ndim - 1)) if value.ndim else value
        for value in (signal, amount)
    )
    if isinstance(x0, np.ndarray):
        return (a * x0 + b * noise).astype(x0.dtype)
    import torch

    # float64 coefficients on float16 latents: multiplied in float32, rounded once.
    exact = torch.promote_types(x0.dtype, torch.float32)
    mixed = [torch.from_numpy(np.atleast_1d(v)).to(x0.device, exact) for v in (a, b)]
    return (mixed[0] * x0.to(exact) + mixed[1] * noise.to(exact)).to(x0.dtype)
