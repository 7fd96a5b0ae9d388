"""Training in the plane: it learns, it can be watched and cancelled, a seed is a seed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sdlab.playground.data import sample
from sdlab.playground.distance import sliced_wasserstein
from sdlab.playground.process import PREDICTIONS
from sdlab.playground.train import Settings, grid_points, train

SHORT = Settings("mixture", steps=30, batch=32)


def watched(settings, pictures=1, **how):
    """All progress and the network."""
    work, seen = train(settings, pictures=pictures, **how), []
    while True:
        try:
            seen.append(next(work))
        except StopIteration as stop:
            return seen, stop.value


@pytest.mark.every
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_it_learns_more_than_mean_and_covariance(prediction):
    """Points drawn after the usual training are nearer to the truth than a fitted Gaussian's."""
    trained = watched(Settings(prediction=prediction), pictures=0)[1]
    truth = sample(trained.settings.data, 4000, torch.Generator().manual_seed(0)).numpy()
    fitted = np.random.default_rng(0).multivariate_normal(truth.mean(0), np.cov(truth.T), 4000)
    drawn = trained.points(4000).numpy()
    assert sliced_wasserstein(drawn, truth) < 0.8 * sliced_wasserstein(fitted, truth)


def test_progress_comes_often_and_pictures_seldom():
    seen, trained = watched(SHORT, every=5, pictures=2)
    assert [each.step for each in seen] == [5, 10, 15, 20, 25, 30]
    assert [each.points is not None for each in seen] == [False, False, True, False, False, True]
    assert seen[-1].points.shape == (500, 2) and seen[-1].field.shape == (225, 2)
    assert torch.equal(seen[-1].points, trained.points(500))
    assert torch.equal(seen[-1].field, trained.field(0.3))
    odd, _ = watched(replace(SHORT, steps=13), every=10)
    assert [each.step for each in odd] == [10, 13] and odd[-1].points is not None
    none, _ = watched(SHORT, pictures=0)
    assert all(each.points is None for each in none)


def test_a_seed_is_a_seed_whatever_is_shown():
    torch.manual_seed(3)
    one = watched(SHORT, every=10, pictures=0)[1]
    torch.manual_seed(4)
    with torch.no_grad():  # as the worker of the dashboard calls it
        other = watched(SHORT, every=7)[1]
    assert torch.equal(one.points(50), other.points(50))
    third = watched(replace(SHORT, seed=1), pictures=0)[1]
    assert not torch.equal(one.points(50), third.points(50))


def test_it_can_be_cancelled():
    work = train(SHORT, every=5)
    next(work)
    work.close()
    with pytest.raises(StopIteration):
        next(work)


def test_the_grid_covers_the_points():
    points = grid_points()
    assert points[0].tolist() == [-2.5, -2.5] and points[-1].tolist() == [2.5, 2.5]
    assert points[1, 0] > points[0, 0] and points[1, 1] == points[0, 1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"data": "moons"}, "data 'moons'.*two moons"),
        ({"prediction": "eps"}, "prediction 'eps'.*epsilon"),
        ({"activation": "relu"}, "activation 'relu'.*ReLU"),
        ({"embedding": "sine"}, "embedding 'sine'.*sinusoids"),
        ({"steps": 0}, "steps must be 1 or more, got 0"),
        ({"batch": 0}, "batch must be 1 or more, got 0"),
        ({"lr": 0.0}, "lr must be above 0, got 0"),
    ],
)
def test_bad_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Settings(**wrong)
