"""The exact denoiser of Gaussian data, against which solvers are checked.

For x0 ~ N(mean, std^2) and x = x0 + sigma n the posterior mean is
(std^2 x + sigma^2 mean) / (std^2 + sigma^2), and the probability-flow ODE has the closed form
x(s) = mean + (x(sigma) - mean) sqrt((std^2 + s^2) / (std^2 + sigma^2)). With a full covariance
the same holds along each of its principal axes.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlab.denoisers.exact import flat
from sdlab.work import drive

if TYPE_CHECKING:
    from collections.abc import Generator

    import torch
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Gaussian data of any dimension.

    Attributes:
        mean: float64 [C, H, W].
        std: Standard deviation along each axis, float64 [D], D = C H W.
        axes: Orthonormal axes as columns, float64 [D, D]; None for the entries' own.
    """

    mean: "Tensor"
    std: "Tensor"
    axes: "Tensor | None" = None

    @classmethod
    def of_covariance(cls, mean: "Tensor", covariance: "Tensor") -> "Gaussian":
        """Return the Gaussian of a mean [C, H, W] and a covariance [D, D].

        Raises:
            ValueError: If the covariance is not symmetric or has a negative eigenvalue.
        """
        import torch

        covariance = covariance.double()
        if not torch.allclose(covariance, covariance.T):
            raise ValueError("covariance must be symmetric.")
        variance, axes = torch.linalg.eigh(covariance)
        if float(variance.min()) < -1e-10 * float(variance.max()):
            raise ValueError(
                f"covariance must have no negative eigenvalue, got {float(variance.min()):.3g}."
            )
        return cls(mean.double(), variance.clamp(min=0).sqrt(), axes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one sample."""
        channels, height, width = self.mean.shape
        return channels, height, width

    def denoise(self, x: "Tensor", sigma: float) -> "Tensor":
        """Return the exact x0_pred, in the shape of ``x``."""
        return self.scaled(x, self.std**2 / (self.std**2 + sigma**2))

    def flow(self, x: "Tensor", sigma: float, sigma_end: float) -> "Tensor":
        """Return where the probability-flow ODE takes ``x`` from ``sigma`` to ``sigma_end``."""
        return self.scaled(x, ((self.std**2 + sigma_end**2) / (self.std**2 + sigma**2)).sqrt())

    def log_density(self, x: "Tensor", sigma: float) -> "Tensor":
        """Return ln p(x; sigma), [B]."""
        variance = self.std**2 + sigma**2
        z = self._along_axes(x)
        return -0.5 * (z**2 / variance + variance.log() + math.log(2 * math.pi)).sum(1)

    def sample(self, count: int, generator: "torch.Generator") -> "Tensor":
        """Return draws of the data, float64 [count, C, H, W]."""
        import torch

        z = torch.randn(count, len(self.std), generator=generator, dtype=torch.float64) * self.std
        return self._back(z, (count, *self.shape))

    def moments(self) -> "tuple[Tensor, Tensor]":
        """Return mean [D] and covariance [D, D]."""
        import torch

        if self.axes is None:
            return self.mean.flatten(), torch.diag(self.std**2)
        return self.mean.flatten(), self.axes * self.std**2 @ self.axes.T

    def scaled(self, x: "Tensor", factors: "Tensor") -> "Tensor":
        """Return ``x`` with its distance from the mean scaled along each axis."""
        return self._back(self._along_axes(x) * factors, tuple(x.shape)).to(x.dtype)

    def _along_axes(self, x: "Tensor") -> "Tensor":
        z = flat(x) - self.mean.flatten()
        return z if self.axes is None else z @ self.axes

    def _back(self, z: "Tensor", shape: tuple[int, ...]) -> "Tensor":
        z = z if self.axes is None else z @ self.axes.T
        return (z + self.mean.flatten()).reshape(shape)


def denoise(x: "Tensor", sigma: float, mean: float, std: float) -> "Tensor":
    """Return the exact x0_pred, in the shape of ``x`` (VE coordinates)."""
    return (std**2 * x + sigma**2 * mean) / (std**2 + sigma**2)


def solution(x: "Tensor", sigma: float, mean: float, std: float) -> "Tensor":
    """Return where the probability-flow ODE takes ``x`` from ``sigma`` to 0."""
    return mean + (x - mean) * std / math.sqrt(std**2 + sigma**2)


def solve(
    generator: "Generator[tuple[Tensor, float], Tensor, Tensor]", mean: float, std: float
) -> "Tensor":
    """Run a solver's generator to its end on this denoiser and return its result."""
    return drive(generator, lambda request: denoise(*request, mean, std))
