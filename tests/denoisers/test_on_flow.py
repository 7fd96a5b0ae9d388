"""Exact denoisers on flow matching's path against the definition of the path and its ODE."""

import math

import pytest
import torch
from scipy.integrate import solve_ivp

from sdlab import bench
from sdlab.denoisers.on_flow import GaussianOnFlow, on_flow

PROBLEMS = ("gaussian", "mixture_1d", "mixture_2d")


def drawn(data, time, count=4000):
    """x_t = (1 - t) x0 + t n with the x0 and n that it is made of."""
    generator = torch.Generator().manual_seed(0)
    x0 = data.sample(count, generator)
    noise = torch.randn(x0.shape, generator=generator, dtype=torch.float64)
    return (1 - time) * x0 + time * noise, x0, noise


@pytest.mark.parametrize("time", [0.05, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("name", PROBLEMS)
def test_no_function_of_x_is_nearer_to_the_velocity_and_the_picture(name, time):
    """The posterior mean: what is left, v - E[v | x], is uncorrelated with x and with E itself."""
    data = bench.problem(name, "flow").denoiser
    x, x0, noise = drawn(data, time)
    for truth, found in ((x0, data.denoise(x, time)), (noise - x0, data.velocity(x, time))):
        rest = (truth - found).flatten(1)
        bound = 6 * rest.std() / math.sqrt(len(x))
        assert rest.mean().abs() < bound
        for seen in (x, found):
            assert (rest * (seen - seen.mean(0)).flatten(1)).mean().abs() < bound * (
                seen.std() + 1e-9
            )


@pytest.mark.parametrize("name", PROBLEMS)
def test_nothing_is_left_open_at_the_ends(name):
    data = bench.problem(name, "flow").denoiser
    x = torch.randn(5, *data.shape, generator=torch.Generator().manual_seed(1)).double()
    near, at = data.denoise(x, 1 - 1e-9), data.denoise(x, 1.0)
    torch.testing.assert_close(near, at, rtol=0, atol=1e-7)
    torch.testing.assert_close(
        data.log_density(x, 1 - 1e-9), data.log_density(x, 1.0), rtol=0, atol=1e-6
    )
    torch.testing.assert_close(data.denoise(x, 1e-9), x, rtol=0, atol=1e-6)


def test_the_closed_form_is_the_odes():
    """scipy's Dormand-Prince of order 8, over t from noise alone at t = 1."""
    data = bench.problem("gaussian", "flow").denoiser
    assert isinstance(data, GaussianOnFlow)
    start = torch.randn(6, *data.shape, generator=torch.Generator().manual_seed(2)).double()

    def slope(t, x):
        return data.velocity(torch.from_numpy(x.copy()).reshape(start.shape), t).flatten().numpy()

    done = solve_ivp(slope, (1.0, 0.01), start.flatten().numpy(), "DOP853", rtol=1e-11, atol=1e-12)
    found = data.flow(start, 1.0, 0.01)
    other = torch.from_numpy(done.y[:, -1]).reshape(start.shape)
    torch.testing.assert_close(found, other, rtol=0, atol=1e-8)
    torch.testing.assert_close(data.flow(found, 0.01, 1.0), start, rtol=0, atol=1e-12)


def test_a_mixture_has_no_closed_form():
    assert not hasattr(on_flow(bench.problem("mixture_2d").denoiser), "flow")
