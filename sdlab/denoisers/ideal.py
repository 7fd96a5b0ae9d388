"""The ideal denoiser of a finite set of images: what a network that memorised them would predict.

The data are N points y_i of equal weight, so that (Karras et al. 2022, arXiv 2206.00364,
appendix B.3, eq. 57)

    x0_pred = sum_i softmax_i(-|x - y_i|^2 / (2 sigma^2)) y_i.

Here |x|^2 is common to all points and leaves the softmax. Samples of its ODE end on the points
themselves: it generates nothing new. Rows of ``x`` are taken in portions, so that no more than
``MAX_LOGITS`` distances are held at once.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlab.denoisers.exact import flat, shares

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MAX_LOGITS = 4_000_000


@dataclass(frozen=True, eq=False)
class Ideal:
    """A finite set of images as data.

    Attributes:
        points: The images, float64 [N, C, H, W].
    """

    points: "Tensor"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one sample."""
        _, channels, height, width = self.points.shape
        return channels, height, width

    def denoise(self, x: "Tensor", sigma: float) -> "Tensor":
        """Return the exact x0_pred, in the shape of ``x``; sigma > 0."""
        import torch

        points = self.points.flatten(1)
        parts = [shares(self._logits(part, sigma)) @ points for part in self._portions(x)]
        return torch.cat(parts).reshape(x.shape).to(x.dtype)

    def log_density(self, x: "Tensor", sigma: float) -> "Tensor":
        """Return ln p(x; sigma), [B]; sigma > 0."""
        import torch

        count, size = len(self.points), math.prod(self.shape)
        scale = math.log(count) + 0.5 * size * math.log(2 * math.pi * sigma**2)
        parts = [
            self._logits(part, sigma).logsumexp(1) - 0.5 * (part / sigma).square().sum(1)
            for part in self._portions(x)
        ]
        return torch.cat(parts) - scale

    def sample(self, count: int, generator: "torch.Generator") -> "Tensor":
        """Return points drawn with replacement, float64 [count, C, H, W]."""
        import torch

        return self.points[torch.randint(len(self.points), (count,), generator=generator)]

    def moments(self) -> "tuple[Tensor, Tensor]":
        """Return mean [D] and covariance [D, D] of the set."""
        points = self.points.flatten(1)
        apart = points - points.mean(0)
        return points.mean(0), apart.T @ apart / len(points)

    def _portions(self, x: "Tensor") -> "tuple[Tensor, ...]":
        portions: tuple[Tensor, ...] = flat(x).split(max(1, MAX_LOGITS // len(self.points)))
        return portions

    def _logits(self, rows: "Tensor", sigma: float) -> "Tensor":
        points = self.points.flatten(1)
        return (rows @ points.T - 0.5 * points.square().sum(1)) / sigma**2
