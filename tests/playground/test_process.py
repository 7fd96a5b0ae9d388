"""Every prediction gives the same points: held on Gaussian data, whose best network is known."""

import pytest
import torch

from sdlab.playground.process import (
    PREDICTIONS,
    alpha_bar,
    draw,
    loss,
    mixing,
    pull,
    time_of,
    unmixed,
)
from sdlab.reference.losses import target

MEAN, STD = torch.tensor([0.3, -0.4]), 0.5


def randn(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def best(prediction):
    """The best network for points of N(MEAN, STD^2)."""

    def network(x_t, t):
        signal, noise = mixing(prediction, t)
        variance = (signal * STD).square() + noise.square()
        x0 = MEAN + signal * STD**2 / variance * (x_t - signal * MEAN)
        eps = noise / variance * (x_t - signal * MEAN)
        if prediction == "flow":
            return eps - x0
        return target(prediction, x0, eps, signal.square())

    return network


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_points_and_noise_are_found_again(prediction):
    x0, eps, t = randn(0, 4, 2), randn(1, 4, 2), torch.tensor([0.1, 0.3, 0.5, 0.7])
    signal, noise = mixing(prediction, t)
    output = eps - x0 if prediction == "flow" else target(prediction, x0, eps, signal.square())
    for got, true in zip(
        unmixed(prediction, output, signal * x0 + noise * eps, t), (x0, eps), strict=True
    ):
        torch.testing.assert_close(got, true, rtol=1e-4, atol=1e-4)


def test_the_ends_of_time_are_data_and_noise():
    for prediction in PREDICTIONS:
        signal, noise = mixing(prediction, torch.tensor([0.0, 1.0]))
        assert signal[0] == 1 and noise[0] == 0 and signal[1] < 0.01 and noise[1] > 0.99
    assert time_of(torch.tensor([0, 999])).tolist() == pytest.approx([0.001, 1.0])
    signal, _ = mixing("epsilon", time_of(torch.tensor([0, 250, 999])))
    torch.testing.assert_close(signal[:, 0].square(), alpha_bar()[[0, 250, 999]])


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_best_network_draws_the_data(prediction):
    """The ODE maps normal noise to the Gaussian by its quantiles: MEAN + STD noise."""
    noise = randn(2, 300, 2)
    points = draw(best(prediction), prediction, noise, steps=500)
    torch.testing.assert_close(points, MEAN + STD * noise, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_best_network_pulls_to_the_mean(prediction):
    far = MEAN + torch.tensor([[3.0, 0.0], [0.0, -3.0]])
    arrows = pull(best(prediction), prediction, far, 0.9)
    assert (arrows * (MEAN - far)).sum(1).min() > 0


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_no_network_has_a_lower_loss_than_the_best(prediction):
    def mean_loss(network):
        x0 = MEAN + STD * randn(3, 20_000, 2)
        return float(loss(network, prediction, x0, torch.Generator().manual_seed(4)))

    network = best(prediction)
    lowest = mean_loss(network)
    assert lowest < mean_loss(lambda x, t: 1.1 * network(x, t))
    assert lowest < mean_loss(lambda x, t: network(x, t) + 0.1)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="steps must lie between 1 and 1000, got 0"):
        draw(best("flow"), "flow", randn(0, 1, 2), 0)
    with pytest.raises(ValueError, match="time must lie between 0.001 and 1, got 0"):
        pull(best("flow"), "flow", randn(0, 1, 2), 0.0)
