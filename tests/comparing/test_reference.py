"""The reference's course is of fourth order and its estimated error the true one, on Gaussians."""

import numpy as np
import pytest
import torch

from sdlab.comparing.comparison import Comparison
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.exact import exact_runs
from sdlab.comparing.reference import Trajectory, convergence, stored
from sdlab.denoisers.gaussian import Gaussian
from sdlab.noise import curves

STD = 0.5


def course(num_steps):
    """The exact course of N(0, 0.5^2) at the sigmas of karras, with its jump to x0_pred."""
    sigmas = curves.karras(num_steps, 0.0292, 14.6)[:-1]
    start = np.array([1.0, -0.3])
    x = np.sqrt(STD**2 + sigmas**2)[:, None] * start
    x0_pred = x * STD**2 / (STD**2 + sigmas**2)[:, None]
    return Trajectory(sigmas, x, x0_pred, x0_pred[-1]), start


def worst(num_steps):
    """The largest error of x (VE) and of x0_pred between the steps."""
    known, start = course(num_steps)
    sigmas = np.geomspace(0.03, 14.5, 999)
    x = np.sqrt(STD**2 + sigmas**2)[:, None] * start
    x0_pred = x * STD**2 / (STD**2 + sigmas**2)[:, None]
    x_ve = known.x_t(sigmas) * np.sqrt(1 + sigmas**2)[:, None]
    return np.abs(x_ve - x).max(), np.abs(known.x0_pred(sigmas) - x0_pred).max()


def test_the_course_between_steps_is_fourth_order_and_x0_pred_third():
    (x_20, x0_20), (x_40, x0_40) = worst(20), worst(40)
    assert x_20 < 2e-4 and x0_20 < 5e-3
    assert x_20 / x_40 > 2**3.5
    assert x0_20 / x0_40 > 2**2.5


def test_at_the_steps_the_course_is_what_was_recorded():
    known, start = course(9)
    sigmas = curves.karras(9, 0.0292, 14.6)[:-1]
    vp = np.sqrt((STD**2 + sigmas**2) / (1 + sigmas**2))[:, None] * start
    np.testing.assert_allclose(known.x_t(sigmas), vp, rtol=1e-12)
    x0_pred = np.sqrt(STD**2 + sigmas**2)[:, None] * start * STD**2
    x0_pred /= (STD**2 + sigmas**2)[:, None]
    np.testing.assert_allclose(known.x0_pred(sigmas), x0_pred, atol=1e-12)


def test_beyond_the_ends_x0_pred_stands_still():
    known, _ = course(9)
    np.testing.assert_allclose(known.x0_pred([0.0, 0.01]), known.x0_pred([0.0292] * 2), atol=1e-12)
    np.testing.assert_allclose(known.x0_pred([50.0]), known.x0_pred([14.6]), atol=1e-9)
    np.testing.assert_allclose(known.x_t([0.0]), known.x0_pred([0.0]), atol=1e-12)


def test_of_heun_only_the_points_on_its_course_are_taken():
    spec = Comparison([Entrant("heun")], ["data"], reference_steps=80)
    data = Gaussian.of_covariance(torch.zeros(1, 1, 2), torch.eye(2) * STD**2)
    runs = exact_runs(spec, data)
    fine = runs[spec.references()[0].fine.id]
    start = fine.trace.x_t[0].reshape(-1).numpy() * np.sqrt(1 + fine.trace.sigmas[0] ** 2)
    sigmas = np.geomspace(0.03, 14.0, 50)
    exact = np.sqrt((STD**2 + sigmas**2) / (STD**2 + fine.trace.sigmas[0] ** 2))[:, None] * start
    exact /= np.sqrt(1 + sigmas**2)[:, None]
    assert np.abs(Trajectory.of(fine).x_t(sigmas) - exact).max() < 1e-3


def test_the_estimated_error_is_the_true_one(mixture):
    spec = Comparison([Entrant("heun")], ["data"], reference_steps=64)
    (_, _, fine, coarse), *_ = spec.references()
    runs = exact_runs(spec, mixture)
    better = spec.with_(reference_steps=900)
    best = exact_runs(better, mixture)[better.references()[0].fine.id]
    true = float((runs[fine.id].latents - best.latents).square().mean().sqrt())
    true /= float(best.latents.std(correction=0))
    assert convergence(runs[fine.id], runs[coarse.id]).error == pytest.approx(true, rel=0.15)


def test_a_stored_reference_of_other_weights_is_not_taken(small, tmp_path):
    import sdlab

    experiment = sdlab.Experiment(prompt="a", solver="heun", num_steps=2, width=64, height=64)
    assert stored(experiment, tmp_path, small.hash) is None
    sdlab.run(small, experiment).save(tmp_path)
    assert stored(experiment, tmp_path, small.hash).id == experiment.id
    assert stored(experiment, tmp_path, "0" * 16) is None
