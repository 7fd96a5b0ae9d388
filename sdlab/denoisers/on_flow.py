"""An exact denoiser on flow matching's path, x_t = (1 - t) x0 + t n, with t in the place of sigma.

x_t / (1 - t) = x0 + sigma n with sigma = t / (1 - t), so E[x0 | x_t] is that of the data's own
denoiser there. At t = 1 x_t is noise alone and says nothing of the picture: E[x0 | x_t] is the
mean. The exact velocity is (x_t - x0_pred) / t.

Along the path dx/dt = (x - x0_pred) / t, the equation dx/dsigma = (x - x0_pred) / sigma with t in
the place of sigma; so whatever solves the one solves the other, from t = 1 on without a NaN.
"""

import math
from typing import TYPE_CHECKING

from sdlab.denoisers.gaussian import Gaussian

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sdlab.denoisers.exact import ExactDenoiser


class OnFlow:
    """Data with a known posterior mean, noised along flow matching's path.

    Args:
        data: Their denoiser in VE coordinates.
    """

    def __init__(self, data: "ExactDenoiser") -> None:
        self.data = data

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one sample."""
        return self.data.shape

    def denoise(self, x: "Tensor", time: float) -> "Tensor":
        """Return the exact x0_pred, in the shape of ``x``; time in (0, 1]."""
        if time == 1.0:
            mean = self.moments()[0].reshape(1, *self.shape).to(x.dtype)
            return mean.expand(x.shape)
        return self.data.denoise(x / (1.0 - time), time / (1.0 - time))

    def velocity(self, x: "Tensor", time: float) -> "Tensor":
        """Return the exact velocity n - x0 at ``x``, in its shape; time in (0, 1]."""
        return (x - self.denoise(x, time)) / time

    def log_density(self, x: "Tensor", time: float) -> "Tensor":
        """Return ln p(x; t), [B]; a standard normal's at t = 1."""
        size = math.prod(self.shape)
        if time == 1.0:
            return -0.5 * (x.reshape(len(x), -1).square().sum(1) + size * math.log(2 * math.pi))
        signal = 1.0 - time
        return self.data.log_density(x / signal, time / signal) - size * math.log(signal)

    def sample(self, count: int, generator: "torch.Generator") -> "Tensor":
        """Return draws of the clean data, [count, C, H, W]."""
        return self.data.sample(count, generator)

    def moments(self) -> "tuple[Tensor, Tensor]":
        """Return the clean data's mean [D] and covariance [D, D]."""
        return self.data.moments()


class GaussianOnFlow(OnFlow):
    """Gaussian data on flow matching's path, whose ODE has a closed form."""

    data: Gaussian

    def flow(self, x: "Tensor", time: float, time_end: float) -> "Tensor":
        """Return where the probability-flow ODE takes ``x`` from ``time`` to ``time_end``.

        Along each axis (x_t - (1 - t) mean) / sqrt((1 - t)^2 std^2 + t^2) stays the same.
        """
        data, mean = self.data, self.data.mean
        before, after = (((1.0 - t) ** 2 * data.std**2 + t**2).sqrt() for t in (time, time_end))
        centred = x - (1.0 - time) * mean + mean
        return data.scaled(centred, after / before) - mean + (1.0 - time_end) * mean


def on_flow(data: "ExactDenoiser") -> OnFlow:
    """Return a denoiser on flow matching's path."""
    return GaussianOnFlow(data) if isinstance(data, Gaussian) else OnFlow(data)
