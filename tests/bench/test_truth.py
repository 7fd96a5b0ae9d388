"""The reference against closed form and against an integrator from elsewhere."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from sdlab import bench
from sdlab.bench.truth import ParticleTruth, extrapolated, truth
from sdlab.denoisers.gaussian import Gaussian


class Opaque:
    """A Gaussian that does not tell its closed form."""

    def __init__(self, data):
        self.shape, self.denoise = data.shape, data.denoise
        self.sample, self.moments = data.sample, data.moments


def test_reference_finds_the_closed_form():
    known = bench.problem("gaussian")
    hidden = bench.Problem("hidden", "", Opaque(known.denoiser), 64, 64)
    assert not hidden.closed_form and known.closed_form
    x = known.denoiser.sample(64, torch.Generator().manual_seed(0)) * 30
    a, b = ParticleTruth(known, 14.6, {14.6: x}), ParticleTruth(hidden, 14.6, {14.6: x})
    for sigma in (3.0, 0.03, 0.0):
        torch.testing.assert_close(b.at(sigma), a.at(sigma), rtol=0, atol=1e-9)
    assert 0 < b.error < 1e-8


@pytest.mark.parametrize("name", ["mixture_1d", "mixture_2d"])
def test_reference_agrees_with_dop853(name):
    """scipy's Dormand-Prince of order 8, a method of another family."""
    found = bench.problem(name)
    real = truth(found, 14.6, 32, 3)

    def slope(t, x):
        point = torch.from_numpy(x.copy()).reshape(-1, *found.shape)
        return (point - found.denoiser.denoise(point, float(np.exp(t)))).flatten().numpy()

    start = real.at(14.6).flatten().numpy()
    done = solve_ivp(slope, np.log([14.6, 0.05]), start, "DOP853", rtol=1e-12, atol=1e-12)
    other = torch.from_numpy(done.y[:, -1]).reshape(-1, *found.shape)
    torch.testing.assert_close(real.at(0.05), other, rtol=0, atol=1e-8)


def test_levels_may_be_asked_in_any_order():
    found = bench.problem("mixture_2d")
    twice = [dict(truth(found, 9.0, 16, 0).known) for _ in range(2)]
    forth, back = (ParticleTruth(found, 9.0, known) for known in twice)
    forth.prepare([5.0, 0.5, 0.0])
    for sigma in (0.0, 0.5, 5.0):
        back.at(sigma)
    for sigma in (0.0, 0.5, 5.0):
        torch.testing.assert_close(forth.at(sigma), back.at(sigma), rtol=0, atol=1e-8)


def test_pictures_end_on_a_picture():
    found = bench.problem("pictures")
    ends = truth(found, 14.6, 8, 0).at(0.0)
    apart = (ends[:, None] - found.denoiser.points[None]).flatten(2).norm(dim=2)
    assert float(apart.min(1).values.max()) < 1e-9


def test_extrapolation_solves_a_known_equation():
    x = torch.tensor([1.0, -2.0], dtype=torch.float64)
    end, error = extrapolated(lambda x, t: x * np.cos(t), x, 0.0, 5.0)
    torch.testing.assert_close(end, x * np.exp(np.sin(5.0)), rtol=1e-10, atol=0)
    assert error < 1e-9


def test_a_level_above_the_top_is_refused():
    data = Gaussian(torch.zeros(1, 1, 1).double(), torch.ones(1).double())
    found = bench.Problem("one", "", data, 4, 4)
    with pytest.raises(ValueError, match="sigma must be from 0 to 2, got 3"):
        truth(found, 2.0, 4, 0).at(3.0)
