"""The Brownian path: one path, whatever the steps, the order, the dtype or the batch."""

import math

import numpy as np
import pytest
import torch

from sdlab.denoisers.gaussian import solve
from sdlab.noise import curves
from sdlab.solvers.randomness import BrownianPath, Noise, Silence
from sdlab.solvers.registry import solvers

SHAPE = (4, 32, 32)


def increment(path, sigma, sigma_next):
    """The increment itself, not brought to variance 1."""
    return path.between(sigma, sigma_next) * math.sqrt(sigma_next**-2 - sigma**-2)


@pytest.mark.parametrize("levels", [(14.6, 3.0, 0.03), (2.0, 1.0, 0.5), (700.0, 80.0, 1e-3)])
def test_parts_add_up_to_the_whole(levels):
    high, middle, low = levels
    path = BrownianPath(3, SHAPE)
    parts = increment(path, high, middle) + increment(path, middle, low)
    torch.testing.assert_close(parts, increment(path, high, low), rtol=1e-9, atol=1e-9)


def test_the_order_of_asking_does_not_matter():
    levels = np.exp(np.linspace(np.log(14.6), np.log(0.03), 12))
    pairs = list(zip(levels, levels[1:], strict=False))
    forward, backward = BrownianPath(3, SHAPE), BrownianPath(3, SHAPE)
    there = [forward.between(*pair) for pair in pairs]
    back = [backward.between(*pair) for pair in reversed(pairs)][::-1]
    for a, b in zip(there, back, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_increments_are_standard_normal_and_independent():
    path = BrownianPath(0, (100, 100))
    increments = torch.stack([path.between(4.0, 2.0), path.between(2.0, 1.9), path.between(1.9, 1)])
    flat = increments.flatten(1)
    torch.testing.assert_close(torch.cov(flat), torch.eye(3).double(), rtol=0, atol=0.05)
    assert flat.mean(1).abs().max() < 0.04


def test_seeds_tell_paths_apart():
    a, b = (BrownianPath(seed, (100, 100)).between(4.0, 1.0) for seed in (0, 1))
    assert abs(float((a * b).mean())) < 0.04


@pytest.mark.parametrize("levels", [(1.0, 2.0), (1.0, 1.0), (1.0, 0.0), (math.inf, 1.0)])
def test_levels_that_do_not_fall_are_refused(levels):
    with pytest.raises(ValueError, match="needs 0 < sigma_next < sigma"):
        BrownianPath(0, SHAPE).between(*levels)


def test_the_path_is_the_same_in_every_dtype():
    x = torch.zeros(1, *SHAPE)
    single, double = (
        Noise(torch.Generator().manual_seed(1)).between(x.to(dtype), 2.0, 1.0)
        for dtype in (torch.float32, torch.float64)
    )
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-6)


def test_rows_have_paths_of_their_own_that_do_not_depend_on_the_batch():
    def draw(seeds):
        noise = Noise([torch.Generator().manual_seed(seed) for seed in seeds])
        return noise.between(torch.zeros(len(seeds), *SHAPE), 2.0, 1.0)

    both = draw([1, 2])
    assert not torch.allclose(both[0], both[1])
    assert torch.equal(both[1], draw([2])[0])


def test_fresh_noise_is_torchs_own():
    x = torch.zeros(2, 3)
    ours = Noise(torch.Generator().manual_seed(4))(x)
    assert torch.equal(ours, torch.randn(2, 3, generator=torch.Generator().manual_seed(4)))


def test_silence_is_silent():
    x = torch.randn(2, 3)
    assert not Silence()(x).any() and not Silence().between(x, 2.0, 1.0).any()


SDE = ["dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde"]


def sample(name, num_steps, std, **options):
    """From sigma 10 to 0.1, the same start and path whatever the steps; float64."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(1, 4, 12, 12, generator=generator, dtype=torch.float64) * 10.0
    sigmas = tuple(curves.exponential(num_steps + 1, 0.1, 10.0)[:-1].tolist())
    run = solvers()[name].function(x, sigmas, Noise(generator), **options)
    return solve(run, 0.3, std)


@pytest.mark.parametrize("name", SDE)
def test_steps_do_not_matter_where_the_prediction_is_constant(name):
    """On data that is one point the SDE is linear in the path, and the steps solve it exactly."""
    torch.testing.assert_close(sample(name, 3, 0.0), sample(name, 20, 0.0), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", SDE)
def test_refined_steps_converge_on_one_picture(name):
    """Strong convergence: the picture itself, not its law; order 1 for noise that is additive."""
    limit = sample(name, 320, 0.6)
    errors = [float((sample(name, n, 0.6) - limit).square().mean().sqrt()) for n in (10, 20, 40)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 0.85).all() and errors[-1] < 0.05, (orders, errors)


def test_fresh_noise_does_not_converge():
    """What the Brownian path is for: without it more steps mean another picture."""
    limit = sample("euler_ancestral", 320, 0.6)
    assert float((sample("euler_ancestral", 160, 0.6) - limit).square().mean().sqrt()) > 0.3
