"""The four things that a network may predict of a noised picture; each gives the others.

In VP, x_t = a x0 + s eps with a = sqrt(alpha_bar) and s = sqrt(1 - alpha_bar), so sigma = s / a; in
flow matching x_t = (1 - t) x0 + t eps, where sigma = t / (1 - t). At any sigma, on either path:

    epsilon        eps                       the noise
    sample         x0                        the picture
    v_prediction   a eps - s x0              (Salimans, Ho 2022, arXiv 2202.00512)
    velocity       eps - x0                  what a flow-matching network predicts

x_t is known, so an error d of x0 decides that of the others:

    of eps  -d / sigma      of v  -d sqrt(1 + 1 / sigma^2)      of the velocity  -d (1 + 1 / sigma)
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdlab.errors import unknown
from sdlab.noise.flow import sigma_to_time
from sdlab.noise.forward import sigma_at, signal_and_noise

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.noise.schedule import NoiseSchedule

KINDS = ("epsilon", "sample", "v_prediction", "velocity")


@dataclass(frozen=True)
class Level:
    """A training timestep of a schedule.

    Attributes:
        timestep: 0 ... T - 1.
        sigma: Noise over signal, above 0; infinite where x_t is noise alone.
        path: "vp" or "flow".
    """

    timestep: int
    sigma: float
    path: str

    @property
    def signal(self) -> float:
        """How much of x0 is in x_t."""
        return float(signal_and_noise(self.sigma, self.path)[0])

    @property
    def noise(self) -> float:
        """How much of eps is in x_t."""
        return float(signal_and_noise(self.sigma, self.path)[1])

    @property
    def alpha_bar(self) -> float:
        """1 / (1 + sigma^2)."""
        return 1.0 / (1.0 + self.sigma**2)

    @property
    def time(self) -> float:
        """Flow matching's t, sigma / (1 + sigma)."""
        return float(sigma_to_time(self.sigma))


def level_at(schedule: "NoiseSchedule", timestep: int) -> Level:
    """Return a timestep's level.

    With zero terminal SNR the last sigma of VP is the schedule's own largest, 4096, as a network
    that predicts eps there says nothing of x0; of flow matching it stays infinite.

    Raises:
        ValueError: If the timestep lies outside the schedule.
    """
    sigma = float(sigma_at(timestep, schedule))
    if schedule.path != "flow":
        sigma = min(sigma, schedule.sigma_max)
    return Level(int(timestep), sigma, schedule.path)


def own_kind(schedule: "NoiseSchedule") -> str:
    """Return what a network of this schedule predicts, one of ``KINDS``."""
    return "velocity" if schedule.path == "flow" else schedule.prediction_type


def quantity(kind: str, x0: "Tensor", eps: "Tensor", sigma: float) -> "Tensor":
    """Return one of ``KINDS`` of a picture and its noise at a level, like ``x0``.

    Raises:
        ValueError: If the kind is unknown.
    """
    if kind not in KINDS:
        raise ValueError(unknown("kind of prediction", kind, KINDS))
    if kind == "epsilon":
        return eps
    if kind == "sample":
        return x0
    if kind == "velocity":
        return eps - x0
    signal, noise = signal_and_noise(sigma, "vp")
    return float(signal) * eps - float(noise) * x0


def error_over_x0(kind: str, sigma: ArrayLike) -> NDArray[np.float64]:
    """Return how many times as large as the error of x0 that of a kind is, any shape of ``sigma``.

    Raises:
        ValueError: If the kind is unknown.
    """
    if kind not in KINDS:
        raise ValueError(unknown("kind of prediction", kind, KINDS))
    level = np.asarray(sigma, dtype=np.float64)
    if kind == "sample":
        return np.ones_like(level)
    if kind == "epsilon":
        return 1.0 / level
    return np.sqrt(1.0 + 1.0 / level**2) if kind == "v_prediction" else 1.0 + 1.0 / level
