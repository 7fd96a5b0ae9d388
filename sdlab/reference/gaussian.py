"""Gaussian data under DDPM: the best network, the best variance and the likelihood, closed form.

For x_0 ~ N(mean, std^2) in each entry, q(x_t) is N(sqrt(alpha_bar_t) mean, V_t) with
V_t = alpha_bar_t std^2 + 1 - alpha_bar_t, and everything that DDPM learns is known:

    E[eps | x_t]              = sqrt(1 - alpha_bar_t) (x_t - sqrt(alpha_bar_t) mean) / V_t
    variance of x_{t-1} | x_t = beta_t V_{t-1} / V_t

(x_{t-1} and x_t are jointly normal with covariance sqrt(1 - beta_t) V_{t-1}.) At std = 1 it is
beta_t, at std = 0 beta_tilde_t: the two ends of Improved DDPM's range. As q(x_{t-1} | x_t) is
normal itself, the chain with that mean and that variance *is* q backwards, for any T: all that
parts the bound from the exact -log p(x_0) is KL(q(x_T) | N(0, I)). Another variance, ``factor``
times the best one, adds (1 / factor - 1 + log factor) / 2 an entry and step.

Reference:
    Ho et al. 2020, arXiv 2006.11239, section 3.2; Bao et al. 2022, arXiv 2201.06503 (the best
    variance of any data).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sdlab.reference.ddpm import GaussianDiffusion, at


@dataclass(frozen=True, eq=False)
class GaussianData:
    """Independent entries, each normal.

    Attributes:
        mean: float64 [D].
        std: float64 [D], above 0.
    """

    mean: Tensor
    std: Tensor

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return draws, float64 [count, D]."""
        noise = torch.randn(count, len(self.std), generator=generator, dtype=torch.float64)
        return self.mean + self.std * noise

    def variance_at(self, alpha_bar: Tensor) -> Tensor:
        """Return V_t of alpha_bar [T], float64 [T, D]."""
        return alpha_bar[:, None] * self.std**2 + (1 - alpha_bar[:, None])

    def eps(self, diffusion: GaussianDiffusion, x_t: Tensor, t: Tensor) -> Tensor:
        """Return E[eps | x_t], what the best network predicts, like ``x_t`` [B, D]."""
        alpha_bar = at(diffusion.alpha_bar, t, x_t)
        variance = self.variance_at(diffusion.alpha_bar)[t].to(x_t)
        return (1 - alpha_bar).sqrt() * (x_t - alpha_bar.sqrt() * self.mean.to(x_t)) / variance

    def variance(self, diffusion: GaussianDiffusion) -> Tensor:
        """Return the best variance of p(x_{t-1} | x_t), float64 [T, D]."""
        before = self.variance_at(diffusion.alpha_bar_before)
        return diffusion.beta[:, None] * before / self.variance_at(diffusion.alpha_bar)

    def v(self, diffusion: GaussianDiffusion) -> Tensor:
        """Return the v of Improved DDPM that is the best variance, float64 [T, D].

        From 0 to 1 where std <= 1; at t = 0, whose beta_tilde is 0, it is of no meaning with T = 1.
        """
        small, large = diffusion.log_beta_tilde[:, None], diffusion.beta.log()[:, None]
        return (self.variance(diffusion).log() - small) / (large - small)

    def nll(self, x0: Tensor) -> Tensor:
        """Return the exact -log density, [B] nats."""
        z = ((x0 - self.mean) / self.std).square()
        return 0.5 * (z + math.log(2 * math.pi) + 2 * self.std.log()).sum(1)

    def gap(self, diffusion: GaussianDiffusion, log_variance: Tensor) -> float:
        """Return by how much the mean bound exceeds the mean -log density, in nats.

        Args:
            diffusion: The chain, with the best mean.
            log_variance: Of p(x_{t-1} | x_t), broadcast to [T, D].
        """
        factor = log_variance.exp() / self.variance(diffusion)
        steps = 0.5 * (1 / factor - 1 + factor.log())
        last = diffusion.alpha_bar[-1:]
        left = self.variance_at(last)
        prior = 0.5 * (left + last * self.mean**2 - 1 - left.log())
        return float(steps.sum() + prior.sum())
