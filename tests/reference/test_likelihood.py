"""Divergence and density against torch's, the probability of 256 levels against its own sum."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from sdlab.reference.likelihood import discretised_nll, gaussian_kl, gaussian_nll


def randn(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def test_divergence_and_density_are_torchs():
    mean, log, mean_p, log_p = (randn(seed, 5, 3, 2) for seed in range(4))
    one, other = Normal(mean, (0.5 * log).exp()), Normal(mean_p, (0.5 * log_p).exp())
    kl = kl_divergence(one, other).sum((1, 2))
    torch.testing.assert_close(gaussian_kl(mean, log, mean_p, log_p), kl)
    torch.testing.assert_close(gaussian_nll(mean_p, mean, log), -one.log_prob(mean_p).sum((1, 2)))


@pytest.mark.parametrize(("mean", "std"), [(0.3, 0.05), (-1.2, 0.5), (1.0, 1e-3)])
def test_the_256_levels_share_one_probability(mean, std):
    levels = (2 * torch.arange(256, dtype=torch.float64) / 255 - 1)[:, None]
    log_variance = torch.full_like(levels, 2 * math.log(std))
    nll = discretised_nll(levels, torch.full_like(levels, mean), log_variance)
    assert float((-nll).exp().sum()) == pytest.approx(1, abs=1e-12)
    assert torch.isfinite(nll).all()
    near = Normal(mean, std).cdf(levels[1:-1] + 1 / 255) - Normal(mean, std).cdf(
        levels[1:-1] - 1 / 255
    )
    torch.testing.assert_close((-nll[1:-1]).exp(), near[:, 0], rtol=1e-6, atol=1e-12)
