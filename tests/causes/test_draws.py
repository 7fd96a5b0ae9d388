"""Draws from one x_t: x0_pred is their mean where the mean is known exactly."""

import math

import numpy as np
import pytest
import torch

import sdlab
from sdlab.causes import draws as module
from sdlab.causes.draws import draws, levels
from sdlab.work import finish

ASKED = sdlab.Experiment(prompt="a red car", seed=3, num_steps=4, model="small")


def test_the_first_x_t_is_the_start_noise_and_later_ones_the_runs(small):
    run = sdlab.run(small, ASKED)
    for evaluation in (0, 2):
        found = finish(draws(small, ASKED, evaluation, count=1, num_steps=1))
        assert torch.equal(found.x_t[0], run.trace.x_t[evaluation])
        assert found.sigma == run.trace.sigmas[evaluation]


def test_one_step_ends_in_x0_pred_itself(small):
    """A step from sigma to 0 injects nothing: every draw is the prediction."""
    found = finish(draws(small, ASKED, 1, count=3, num_steps=1))
    torch.testing.assert_close(found.latents, found.x0_pred.expand(3, -1, -1, -1))
    assert found.distance < 1e-5 and found.spread_map.max() < 1e-5


def test_other_noise_gives_other_draws_and_the_same_seed_the_same(small, monkeypatch):
    one = finish(draws(small, ASKED, 1, count=3, num_steps=3, seed=5))
    assert one.latents.shape == (3, 4, 16, 16)
    assert not torch.allclose(one.latents[0], one.latents[1])
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    again = finish(draws(small, ASKED, 1, count=3, num_steps=3, seed=5))
    torch.testing.assert_close(one.latents, again.latents, rtol=1e-4, atol=1e-4)


def test_progress_is_counted_to_its_end(small):
    steps = list(draws(small, ASKED, 2, count=2, num_steps=3))
    assert steps == [(i, 6) for i in range(1, 7)]


def test_distances_are_what_they_say(small):
    found = finish(draws(small, ASKED, 1, count=4, num_steps=3))
    x = found.latents.double()
    assert found.expected == pytest.approx(float((x.var(0).mean() / 4).sqrt()))
    gap = x.mean(0, keepdim=True) - found.x0_pred.double()
    assert found.distance == pytest.approx(float(gap.square().mean().sqrt()), rel=1e-5)
    assert np.sqrt((found.distance_map**2).mean()) == pytest.approx(found.distance, rel=1e-5)
    assert math.isnan(finish(draws(small, ASKED, 1, count=1, num_steps=2)).expected)


def test_for_gaussian_data_the_draws_mean_is_the_prediction(small):
    """With N(0, 1) data the ideal prediction is x / (1 + sigma^2), and the draws' law is known."""
    sigma, count = 2.0, 400
    start = torch.full((count, 4, 4, 4), 3.0)
    way = module._ancestral(start, levels(small, sigma, 60), range(count))
    x, at = next(way)
    try:
        while True:
            x, at = way.send(x / (1 + at**2))
    except StopIteration as stop:
        ends = stop.value
    mean, variance = 3.0 / (1 + sigma**2), sigma**2 / (1 + sigma**2)
    assert float(ends.mean()) == pytest.approx(mean, abs=0.02)
    assert float(ends.var()) == pytest.approx(variance, rel=0.08)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"evaluation": 4}, "evaluation must be from 0 to 3"),
        ({"count": 0}, "count must be at least 1"),
        ({"num_steps": 0}, "num_steps must be at least 1"),
    ],
)
def test_numbers_out_of_range_are_refused(small, changes, said):
    with pytest.raises(ValueError, match=said):
        next(draws(small, ASKED, **{"evaluation": 1, **changes}))
