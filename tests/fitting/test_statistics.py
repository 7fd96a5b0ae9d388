"""The statistics of DPM-Solver-v3, measured where they are known, and on the embedded model."""

import numpy as np
import pytest
import torch

import sdlab
from sdlab.denoisers.gaussian import denoise
from sdlab.denoisers.mixture import Mixture
from sdlab.errors import ModelError
from sdlab.fitting.plugin import write_plugin
from sdlab.fitting.statistics import model_statistics, statistics_of
from sdlab.solvers import contract, registry
from sdlab.work import finish

GAP = 0.5  # std of the mixture's halves at -1 and 1


def test_on_a_gaussian_they_are_the_closed_form():
    mean, std = 0.3, 0.6
    sigmas = np.geomspace(10.0, 0.1, 401)
    generator = torch.Generator().manual_seed(0)
    x = 10 * torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64)
    found = finish(statistics_of(lambda x, s: denoise(x, s, mean, std), [x, -x], sigmas, [0, 1]))
    expected = (sigmas**2 / (std**2 + sigmas**2))[:, None].repeat(3, axis=1)
    np.testing.assert_allclose(found.l, expected, atol=1e-9)
    np.testing.assert_array_equal(found.s, 0)
    np.testing.assert_allclose(found.b, 2 * mean * expected * (1 - expected), atol=1e-4)


def density(x, sigma):
    spread = np.sqrt(GAP**2 + sigma**2)
    return sum(np.exp(-((x - m) ** 2) / (2 * spread**2)) / spread for m in (-1.0, 1.0))


def predicted(x, sigma):
    """Return the mixture's x0_pred, written out."""
    v, level = GAP**2 + sigma**2, sigma**2
    return (GAP**2 * x + level * np.tanh(x / v)) / v


def moments(sigma, x):
    """Return places, weights, x0_pred and its slope under the mixture's density at a level."""
    places = np.linspace(-1 - x * np.hypot(GAP, sigma), 1 + x * np.hypot(GAP, sigma), 20001)
    weights = density(places, sigma)
    h = 1e-4 * sigma
    slope = (predicted(places + h, sigma) - predicted(places - h, sigma)) / (2 * h)
    return places, weights / weights.sum(), predicted(places, sigma), slope


def linear(sigma):
    _, weights, _, slope = moments(sigma, 7)
    return 1 - float(weights @ slope)


def regression(sigma):
    """Return s and b: least squares of f's derivative along the ODE on f, over the density."""
    x, weights, x0, slope = moments(sigma, 7)
    h = 1e-4
    ahead, behind = sigma * np.exp(-h), sigma * np.exp(h)  # lambda = -ln sigma grows
    own = (predicted(x, ahead) - predicted(x, behind)) / (2 * h)
    l, moved = linear(sigma), (linear(ahead) - linear(behind)) / (2 * h)  # noqa: E741
    f = (1 - l) * x - x0
    change = (1 - l) * (x0 - x) - moved * x - slope * (x0 - x) - own
    mean, mean_change = weights @ f, weights @ change
    s = weights @ ((f - mean) * change) / (weights @ (f - mean) ** 2)
    return s, mean_change - s * mean


def test_on_a_mixture_they_are_its_integrals():
    """The starts are quantiles, which the ODE of one dimension keeps: no luck of the draw."""
    data = Mixture.even(torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1), GAP)
    sigmas = np.geomspace(10.0, 0.1, 201)
    grid = np.linspace(-80, 80, 400001)
    total = np.cumsum(density(grid, 10.0))
    shares = (np.arange(2000) + 0.5) / 2000
    x = torch.from_numpy(np.interp(shares, total / total[-1], grid)).view(-1, 1, 1, 1)
    found = finish(statistics_of(data.denoise, [x], sigmas, [0]))
    for level in (60, 100, 140):
        assert found.l[level, 0] == pytest.approx(linear(sigmas[level]), abs=2e-3)
        s, b = regression(sigmas[level])
        assert found.s[level, 0] == pytest.approx(s, abs=0.05)
        assert found.b[level, 0] == pytest.approx(b, abs=1e-2)


@pytest.fixture(scope="module")
def model():
    return sdlab.load("embedded")


@pytest.fixture(scope="module")
def measured(model):
    small = sdlab.Experiment(prompt="a red car", guidance_scale=1.0, width=64, height=64)
    return model_statistics(model, small, seeds=[0], levels=12)


def test_of_the_embedded_model_they_make_a_solver(model, measured, tmp_path, monkeypatch):
    schedule = model.schedule
    assert measured.sigmas[0] == pytest.approx(schedule.sigma_max)
    assert measured.l.shape == (12, 4) and measured.of["size"] == [64, 64]
    assert (abs(measured.l[0] - 1) < 0.1).all()  # noise alone
    assert measured.l[-1].max() < 0.8
    _, path = write_plugin(tmp_path, "dpm_solver_v3", measured)
    with registry.catching() as caught:
        exec(compile(path.read_text(), str(path), "exec"), {"__file__": str(path), "__name__": "x"})
    found = caught["dpm_solver_v3"]
    assert contract.check(found) == []
    registry.solvers()
    monkeypatch.setitem(registry._SOLVERS, "dpm_solver_v3", found)
    small = sdlab.Experiment(
        "a red car", solver="dpm_solver_v3", num_steps=3, guidance_scale=1.0, width=64, height=64
    )
    run = sdlab.run(model, small)
    assert run.steps["step"].tolist() == [0, 1, 2] and bool(run.latents.isfinite().all())


def test_what_cannot_be_measured_is_refused(model):
    words = sdlab.Experiment("a red car")
    with pytest.raises(ValueError, match="levels must be a whole number from 4 to 1000, got 3"):
        model_statistics(model, words, levels=3)
    for seeds in ([], [1, 1]):
        with pytest.raises(ValueError, match="seeds must be at least 1, each once"):
            model_statistics(model, words, seeds=seeds)
    with pytest.raises(ModelError, match="does not add noise as Stable Diffusion does"):
        model_statistics(sdlab.load("embedded-flow"), words)


def test_names_that_a_solver_cannot_have_are_refused(measured, tmp_path):
    with pytest.raises(ValueError, match="must be an identifier"):
        write_plugin(tmp_path, "v3 here", measured)
    with pytest.raises(ValueError, match="one of the laboratory's own"):
        write_plugin(tmp_path, "heun", measured)
    assert not list(tmp_path.iterdir())
