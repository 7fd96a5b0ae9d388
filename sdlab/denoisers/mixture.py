"""The exact denoiser of a mixture of Gaussians, of any dimension.

For x0 ~ sum_k w_k N(m_k, s_k^2 I) the noised density is sum_k w_k N(m_k, (s_k^2 + sigma^2) I).
With the responsibilities r_k = p(k | x), a softmax of the components' log densities,

    x0_pred = sum_k r_k (s_k^2 x + sigma^2 m_k) / (s_k^2 + sigma^2).

All of it is in float64 and in logarithms, so it holds at any sigma.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlab.denoisers.exact import flat, shares

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SMALL = 16  # entries up to which distances are summed, not multiplied out


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of round Gaussians.

    Attributes:
        means: float64 [K, C, H, W].
        stds: float64 [K], above 0.
        weights: float64 [K], above 0, summing to 1.

    Raises:
        ValueError: If the shapes do not match or stds or weights are out of range.
    """

    means: "Tensor"
    stds: "Tensor"
    weights: "Tensor"

    def __post_init__(self) -> None:
        count = len(self.means)
        for name in ("stds", "weights"):
            values = getattr(self, name)
            if values.shape != (count,):
                raise ValueError(
                    f"{name} must have one entry for each of {count} means, got shape"
                    f" {tuple(values.shape)}."
                )
            if not float(values.min()) > 0:
                raise ValueError(f"{name} must be above 0, got {float(values.min()):g}.")
        if abs(float(self.weights.sum()) - 1.0) > 1e-6:
            raise ValueError(f"weights must sum to 1, got {float(self.weights.sum()):.7g}.")

    @classmethod
    def even(cls, means: "Tensor", std: float) -> "Mixture":
        """Return the mixture of equal weights and one spread for all."""
        import torch

        means = means.double()
        ones = torch.ones(len(means), dtype=torch.float64)
        return cls(means, ones * std, ones / len(means))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one sample."""
        _, channels, height, width = self.means.shape
        return channels, height, width

    def denoise(self, x: "Tensor", sigma: float) -> "Tensor":
        """Return the exact x0_pred, in the shape of ``x``."""
        rows = flat(x)
        share = shares(self._log_joint(rows, sigma))
        keep = self.stds**2 / (self.stds**2 + sigma**2)
        towards = share * (1.0 - keep) @ self.means.flatten(1)
        return ((share @ keep)[:, None] * rows + towards).reshape(x.shape).to(x.dtype)

    def log_density(self, x: "Tensor", sigma: float) -> "Tensor":
        """Return ln p(x; sigma), [B]."""
        return self._log_joint(flat(x), sigma).logsumexp(1)

    def sample(self, count: int, generator: "torch.Generator") -> "Tensor":
        """Return draws of the data, float64 [count, C, H, W]."""
        import torch

        k = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = torch.randn(count, *self.shape, generator=generator, dtype=torch.float64)
        return self.means[k] + self.stds[k].view(-1, 1, 1, 1) * noise

    def moments(self) -> "tuple[Tensor, Tensor]":
        """Return mean [D] and covariance [D, D]."""
        import torch

        means = self.means.flatten(1)
        mean = self.weights @ means
        apart = means - mean
        inside = float(self.weights @ self.stds**2)
        covariance = apart.T @ (self.weights[:, None] * apart)
        return mean, covariance + inside * torch.eye(len(mean), dtype=torch.float64)

    def _log_joint(self, rows: "Tensor", sigma: float) -> "Tensor":
        """Return ln w_k + ln N(x; m_k, s_k^2 + sigma^2), [B, K]."""
        variance = self.stds**2 + sigma**2
        means = self.means.flatten(1)
        if means.shape[1] > SMALL:
            squares = rows.square().sum(1, keepdim=True) - 2.0 * rows @ means.T
            squares = squares + means.square().sum(1)
        else:
            squares = (rows[:, None] - means).square().sum(2)
        scale = 0.5 * means.shape[1] * (2 * math.pi * variance).log()
        return self.weights.log() - scale - 0.5 * squares / variance
