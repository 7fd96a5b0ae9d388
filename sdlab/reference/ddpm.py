"""DDPM and Improved DDPM: forward process, reverse step, variances and the variational bound.

A chain of T steps turns data x_0 into noise x_T; a network learns each step back:

    q(x_t | x_{t-1})      = N(sqrt(1 - beta_t) x_{t-1}, beta_t I)                      DDPM eq. 2
    q(x_t | x_0)          = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I)              DDPM eq. 4
    q(x_{t-1} | x_t, x_0) = N(mu_tilde(x_t, x_0), beta_tilde_t I)                      DDPM eq. 6
    p(x_{t-1} | x_t)      = N(mu(x_t, t), variance)                                    DDPM eq. 1

with alpha_bar_t = (1 - beta_1) ... (1 - beta_t). Of p's variance only this is known: the best one
is beta_t where x_0 ~ N(0, I), and beta_tilde_t where x_0 is a single point (DDPM, section 3.2).
Improved DDPM lets the network place it between the two, on a log scale. The chain is judged by

    -log p(x_0) <= KL(q(x_T | x_0) | N(0, I)) + sum_t KL(q(x_{t-1} | x_t, x_0) | p(x_{t-1} | x_t))
                   - log p(x_0 | x_1)                                                  DDPM eq. 5

In code t counts from 0, so that t = 0 is the papers' t = 1. All values of the bound are nats.

Reference:
    Ho, Jain, Abbeel 2020, arXiv 2006.11239 (DDPM). Nichol, Dhariwal 2021, arXiv 2102.09672
    (Improved DDPM). diffusers: DDPMScheduler with its ``variance_type``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sdlab.errors import unknown
from sdlab.reference.likelihood import gaussian_kl, gaussian_nll

VARIANCES = ("fixed_small", "fixed_large", "learned_range")
Reverse = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(x_t [B, ...], t int64 [B]) -> mean and log variance of p(x_{t-1} | x_t), both like x_t."""


def linear_betas(steps: int) -> Tensor:
    """Return DDPM's beta for ``steps`` steps, float64 [T]: 1e-4 to 0.02 at 1,000 steps.

    With fewer steps each is larger in proportion, so that as much noise is added in all; below 20
    that is more than a step can take.

    Raises:
        ValueError: If ``steps`` is below 21.
    """
    if steps < 21:
        raise ValueError(f"steps must be 21 or more for linear betas, got {steps}; use cosine.")
    return torch.linspace(0.1, 20, steps, dtype=torch.float64) / steps


def cosine_betas(steps: int) -> Tensor:
    """Return Improved DDPM's beta (its eq. 17), float64 [T], at most 0.999.

    Raises:
        ValueError: If ``steps`` is below 1.
    """
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, got {steps}.")
    share = torch.arange(steps + 1, dtype=torch.float64) / steps
    alpha_bar = torch.cos((share + 0.008) / 1.008 * math.pi / 2).square()
    return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=0.999)


@dataclass(frozen=True, eq=False)
class GaussianDiffusion:
    """The chain of one choice of beta.

    Attributes:
        beta: Variance that each step adds, float64 [T], above 0 and below 1.

    Raises:
        ValueError: If ``beta`` has no entry, or one out of range.
    """

    beta: Tensor

    def __post_init__(self) -> None:
        if self.beta.ndim != 1 or not len(self.beta):
            raise ValueError(f"beta must have shape [T], got {tuple(self.beta.shape)}.")
        if not (0 < float(self.beta.min()) and float(self.beta.max()) < 1):
            low, high = float(self.beta.min()), float(self.beta.max())
            raise ValueError(f"beta must lie between 0 and 1, got {low:g} to {high:g}.")

    def __len__(self) -> int:
        """Return T."""
        return len(self.beta)

    @cached_property
    def alpha_bar(self) -> Tensor:
        """Share of the signal's variance that is left after step t, float64 [T]."""
        return (1 - self.beta).cumprod(0)

    @cached_property
    def alpha_bar_before(self) -> Tensor:
        """The same before step t, float64 [T], 1 at first."""
        return torch.cat((self.alpha_bar.new_ones(1), self.alpha_bar[:-1]))

    @cached_property
    def beta_tilde(self) -> Tensor:
        """Variance of q(x_{t-1} | x_t, x_0), float64 [T], 0 at first (DDPM eq. 7)."""
        return self.beta * (1 - self.alpha_bar_before) / (1 - self.alpha_bar)

    @cached_property
    def log_beta_tilde(self) -> Tensor:
        """Its logarithm, float64 [T]; at t = 0 that of t = 1, as the log of 0 is no number."""
        return self.beta_tilde[torch.arange(len(self)).clamp(min=min(1, len(self) - 1))].log()

    def noised(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Return x_t, like ``x0`` [B, ...]: a draw of q(x_t | x_0) made of ``noise`` (eq. 4)."""
        alpha_bar = at(self.alpha_bar, t, x0)
        return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise

    def x0_pred(self, x_t: Tensor, t: Tensor, eps_pred: Tensor) -> Tensor:
        """Return the x_0 that a predicted noise amounts to: eq. 4 solved for x_0."""
        alpha_bar = at(self.alpha_bar, t, x_t)
        return (x_t - (1 - alpha_bar).sqrt() * eps_pred) / alpha_bar.sqrt()

    def posterior_mean(self, x0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """Return mu_tilde, the mean of q(x_{t-1} | x_t, x_0), like ``x_t`` (eq. 7)."""
        before = at(self.alpha_bar_before, t, x_t)
        alpha_bar, beta = at(self.alpha_bar, t, x_t), at(self.beta, t, x_t)
        of_x0 = before.sqrt() * beta / (1 - alpha_bar)
        of_x_t = (1 - beta).sqrt() * (1 - before) / (1 - alpha_bar)
        return of_x0 * x0 + of_x_t * x_t

    def reverse_mean(self, x_t: Tensor, t: Tensor, eps_pred: Tensor) -> Tensor:
        """Return mu, the mean of p(x_{t-1} | x_t), of a predicted noise (eq. 11)."""
        alpha_bar, beta = at(self.alpha_bar, t, x_t), at(self.beta, t, x_t)
        return (x_t - beta / (1 - alpha_bar).sqrt() * eps_pred) / (1 - beta).sqrt()

    def log_variance(self, kind: str, x_t: Tensor, t: Tensor, v: Tensor | None = None) -> Tensor:
        """Return the log variance of p(x_{t-1} | x_t), like ``x_t``.

        Args:
            kind: "fixed_small": beta_tilde; "fixed_large": beta; "learned_range": between the
                two as ``v`` says, exp(v log beta + (1 - v) log beta_tilde) (Improved DDPM eq. 15).
            x_t: [B, ...].
            t: int64 [B].
            v: The network's second output, like ``x_t``: 0 for beta_tilde, 1 for beta; it is not
                held between them.

        Raises:
            ValueError: If the kind is unknown, or ``v`` is missing or not asked for.
        """
        if kind not in VARIANCES:
            raise ValueError(unknown("kind of variance", kind, VARIANCES))
        if (kind == "learned_range") != (v is not None):
            needs = "needs v" if v is None else "takes no v"
            raise ValueError(f"the variance {kind!r} {needs}; 'learned_range' alone has one.")
        small, large = at(self.log_beta_tilde, t, x_t), at(self.beta.log(), t, x_t)
        if v is None:
            v = torch.full_like(x_t, float(kind == "fixed_large"))
        return v * large + (1 - v) * small

    def step(self, mean: Tensor, log_variance: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Return x_{t-1}, a draw of p(x_{t-1} | x_t); at t = 0 its mean (DDPM, algorithm 2)."""
        later = (t > 0).view(-1, *[1] * (mean.ndim - 1))
        return mean + later * (0.5 * log_variance).exp() * noise

    def term(
        self, x0: Tensor, x_t: Tensor, t: Tensor, mean: Tensor, log_variance: Tensor
    ) -> Tensor:
        """Return the bound's term of t, [B] nats: a KL, or -log p(x_0 | x_1) at t = 0 (eq. 5)."""
        true_log_variance = at(self.log_beta_tilde, t, x_t).expand_as(x_t)
        kl = gaussian_kl(self.posterior_mean(x0, x_t, t), true_log_variance, mean, log_variance)
        return torch.where(t > 0, kl, gaussian_nll(x0, mean, log_variance))

    def prior_term(self, x0: Tensor) -> Tensor:
        """Return the bound's first term, KL(q(x_T | x_0) | N(0, I)), [B] nats."""
        zero = torch.zeros_like(x0)
        mean, left = self.alpha_bar[-1].sqrt().to(x0) * x0, 1 - self.alpha_bar[-1]
        return gaussian_kl(mean, zero + left.log().to(x0), zero, zero)


def at(values: Tensor, t: Tensor, like: Tensor) -> Tensor:
    """Return ``values[t]`` as [B, 1, ...] of the dtype of ``like`` [B, ...]."""
    return values.to(t.device)[t].to(like).view(-1, *[1] * (like.ndim - 1))


def hybrid_loss(
    diffusion: GaussianDiffusion,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    outputs: tuple[Tensor, Tensor],
    vlb_weight: float = 1e-3,
) -> Tensor:
    """Return L_simple + lambda L_vlb of each sample, [B] (Improved DDPM eq. 16).

    L_simple (DDPM eq. 14) trains eps_pred. L_vlb, here T times the term of the drawn t, trains v
    alone: its gradient is stopped at the mean. Both are means over a sample's entries.

    Args:
        diffusion: The chain.
        x0: Data, [B, ...].
        t: Drawn evenly from 0 ... T - 1, int64 [B].
        noise: What x_t was made with, like ``x0``.
        outputs: The network's eps_pred and v at x_t, each like ``x0``.
        vlb_weight: lambda.
    """
    eps_pred, v = outputs
    x_t = diffusion.noised(x0, t, noise)
    mean = diffusion.reverse_mean(x_t, t, eps_pred.detach())
    log_variance = diffusion.log_variance("learned_range", x_t, t, v)
    vlb = len(diffusion) * diffusion.term(x0, x_t, t, mean, log_variance) / x0[0].numel()
    return (eps_pred - noise).square().flatten(1).mean(1) + vlb_weight * vlb


@torch.no_grad()
def bound(
    diffusion: GaussianDiffusion, x0: Tensor, reverse: Reverse, generator: torch.Generator
) -> Tensor:
    """Return an unbiased draw of the bound on -log p(x_0) of each sample, [B] nats.

    Args:
        diffusion: The chain.
        x0: Data, [B, ...].
        reverse: Gives mean and log variance of p(x_{t-1} | x_t).
        generator: Of the noise; every t has its own.
    """
    total = diffusion.prior_term(x0)
    for step in range(len(diffusion)):
        t = torch.full((len(x0),), step, device=x0.device)
        noise = torch.randn(x0.shape, generator=generator, dtype=x0.dtype).to(x0.device)
        x_t = diffusion.noised(x0, t, noise)
        total = total + diffusion.term(x0, x_t, t, *reverse(x_t, t))
    return total
