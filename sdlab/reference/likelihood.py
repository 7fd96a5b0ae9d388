"""Normal distributions with independent entries: divergence, density, probability of pixels.

Log variances rather than variances: exp makes any number one. All values are nats.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def gaussian_kl(mean: Tensor, log_variance: Tensor, mean_p: Tensor, log_p: Tensor) -> Tensor:
    """Return KL(N(mean, variance) | N(mean_p, variance_p)) of each sample [B, ...], [B] nats."""
    apart = (mean - mean_p).square() / log_p.exp()
    kl = 0.5 * (log_p - log_variance + (log_variance - log_p).exp() + apart - 1)
    return kl.flatten(1).sum(1)


def gaussian_nll(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return -log N(x; mean, variance) of each sample [B, ...], [B] nats."""
    apart = (x - mean).square() / log_variance.exp()
    return 0.5 * (apart + log_variance + math.log(2 * math.pi)).flatten(1).sum(1)


def discretised_nll(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return -log p(x_0 | x_1) of pictures of 256 levels, [B] nats (DDPM eq. 13).

    ``x`` holds the levels 2 k / 255 - 1. The probability of one is the Gaussian's over 1/255 to
    either side; the outermost two have all that lies beyond. In the place of the density at t = 0
    it makes the bound one of the picture's code length.
    """
    scale = (0.5 * log_variance).exp()
    upper = torch.where(x > 1 - 1 / 255, math.inf, (x + 1 / 255 - mean) / scale)
    lower = torch.where(x < -1 + 1 / 255, -math.inf, (x - 1 / 255 - mean) / scale)
    right = lower > 0  # of the mean, where the left tail's mirror image keeps its digits
    upper, lower = torch.where(right, -lower, upper), torch.where(right, -upper, lower)
    above, below = torch.special.log_ndtr(upper), torch.special.log_ndtr(lower)
    log_p: Tensor = above + torch.log1p(-(below - above).exp())
    return -log_p.flatten(1).sum(1)
