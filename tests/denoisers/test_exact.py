"""Exact denoisers against Bayes by brute force, Tweedie's formula and each other."""

import math

import pytest
import torch

from sdlab.denoisers import ideal
from sdlab.denoisers.exact import score
from sdlab.denoisers.gaussian import Gaussian
from sdlab.denoisers.ideal import Ideal
from sdlab.denoisers.mixture import Mixture


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian():
    root = random(6, 6)
    return Gaussian.of_covariance(random(1, 2, 3, seed=1), root @ root.T)


def mixture(shape=(1, 2, 1)):
    weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    return Mixture(random(3, *shape), torch.tensor([0.1, 0.4, 0.7]).double(), weights)


def pictures(count=7):
    return Ideal(random(count, 3, 4, 4))


ALL = [gaussian(), mixture(), mixture((4, 8, 8)), pictures()]
NAMES = ["gaussian", "mixture", "mixture_image", "pictures"]


@pytest.mark.parametrize("sigma", [0.05, 1.0, 14.6])
@pytest.mark.parametrize("data", ALL, ids=NAMES)
def test_denoiser_is_tweedies_formula(data, sigma):
    """(x0_pred - x) / sigma^2 is the gradient of the log density."""
    x = data.sample(5, torch.Generator().manual_seed(3)) + sigma * random(5, *data.shape, seed=4)
    x.requires_grad_(True)
    (gradient,) = torch.autograd.grad(data.log_density(x, sigma).sum(), x)
    torch.testing.assert_close(score(data, x.detach(), sigma), gradient, rtol=1e-8, atol=1e-8)


def test_denoiser_is_the_posterior_mean_by_integration():
    """In one dimension E[x0 | x] is an integral that needs no theory."""
    data = Mixture(
        torch.tensor([-1.0, 0.8]).double().view(2, 1, 1, 1),
        torch.tensor([0.3, 0.2]).double(),
        torch.tensor([0.6, 0.4]).double(),
    )
    grid = torch.linspace(-6, 6, 20001, dtype=torch.float64)
    prior = data.log_density(grid.view(-1, 1, 1, 1), 0.0)
    for x, sigma in ((0.1, 0.3), (-0.4, 1.0), (3.0, 0.7)):
        weight = (prior - (x - grid) ** 2 / (2 * sigma**2)).exp()
        mean = float((weight * grid).sum() / weight.sum())
        asked = torch.tensor(x, dtype=torch.float64).view(1, 1, 1, 1)
        assert float(data.denoise(asked, sigma)) == pytest.approx(mean, abs=1e-9)


def test_one_component_is_a_gaussian():
    one = Mixture.even(random(1, 1, 2, 1), 0.4)
    same = Gaussian(one.means[0], torch.full((2,), 0.4, dtype=torch.float64))
    x = random(9, 1, 2, 1, seed=5) * 3
    torch.testing.assert_close(one.denoise(x, 0.9), same.denoise(x, 0.9))
    torch.testing.assert_close(one.log_density(x, 0.9), same.log_density(x, 0.9))


def test_narrow_mixture_is_the_ideal_denoiser():
    points = random(7, 3, 4, 4)
    x = random(20, 3, 4, 4, seed=6) * 2
    narrow = Mixture.even(points, 1e-9)
    torch.testing.assert_close(Ideal(points).denoise(x, 1.3), narrow.denoise(x, 1.3))


@pytest.mark.parametrize("data", ALL, ids=NAMES)
def test_tweedies_formula_holds_far_away_and_near_zero(data):
    """There a density of its own underflows to 0, and its logarithm must not."""
    x = (random(4, *data.shape) * 1e4).requires_grad_(True)
    for sigma in (1e-4, 1.0, 1e5):
        (gradient,) = torch.autograd.grad(data.log_density(x, sigma).sum(), x)
        expected = x.detach() + sigma**2 * gradient
        torch.testing.assert_close(data.denoise(x.detach(), sigma), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("data", ALL, ids=NAMES)
def test_draws_have_the_moments(data):
    draws = data.sample(40000, torch.Generator().manual_seed(0)).flatten(1)
    mean, covariance = data.moments()
    scale = float(covariance.diagonal().max())
    torch.testing.assert_close(draws.mean(0), mean, rtol=0, atol=0.03 * math.sqrt(scale))
    torch.testing.assert_close(draws.T.cov(), covariance, rtol=0, atol=0.05 * scale)


def test_density_integrates_to_one():
    grid = torch.linspace(-8, 8, 401, dtype=torch.float64)
    x, y = torch.meshgrid(grid, grid, indexing="ij")
    points = torch.stack((x.flatten(), y.flatten()), 1).view(-1, 1, 2, 1)
    total = mixture().log_density(points, 0.5).exp().sum() * (16 / 400) ** 2
    assert float(total) == pytest.approx(1.0, abs=1e-6)


def test_gaussian_flow_ends_on_the_data():
    data = gaussian()
    clean = data.sample(3, torch.Generator().manual_seed(0))
    there = data.flow(clean, 0.0, 9.0)
    torch.testing.assert_close(data.flow(there, 9.0, 0.0), clean)
    torch.testing.assert_close(data.flow(data.flow(there, 9.0, 2.0), 2.0, 0.0), clean)


def test_portions_change_nothing(monkeypatch):
    data, x = pictures(), random(10, 3, 4, 4, seed=7)
    whole = data.denoise(x, 0.8), data.log_density(x, 0.8)
    monkeypatch.setattr(ideal, "MAX_LOGITS", 14)  # two rows at a time
    torch.testing.assert_close((data.denoise(x, 0.8), data.log_density(x, 0.8)), whole)


def test_the_dtype_comes_back():
    for data in ALL:
        x = random(2, *data.shape).float()
        exact = data.denoise(x.double(), 1.0)
        torch.testing.assert_close(data.denoise(x, 1.0), exact.float(), rtol=1e-6, atol=1e-6)


def test_bad_data_are_refused():
    means = random(2, 1, 1, 1)
    good = torch.ones(2, dtype=torch.float64)
    with pytest.raises(ValueError, match="stds must have one entry for each of 2 means"):
        Mixture(means, good[:1], good / 2)
    with pytest.raises(ValueError, match="stds must be above 0, got 0"):
        Mixture(means, good * 0, good / 2)
    with pytest.raises(ValueError, match="weights must sum to 1, got 2"):
        Mixture(means, good, good)
    with pytest.raises(ValueError, match="symmetric"):
        Gaussian.of_covariance(random(1, 2, 1), torch.tensor([[1.0, 0.2], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="no negative eigenvalue"):
        Gaussian.of_covariance(random(1, 2, 1), torch.diag(torch.tensor([1.0, -1.0])))
