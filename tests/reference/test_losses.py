"""Losses against torch's own, against each other, and what their weights make of them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from torch import nn
from torch.distributions import Normal, kl_divergence

from sdlab.reference.losses import (
    PREDICTIONS,
    drop_captions,
    eps_between,
    flow_loss,
    kl_to_normal,
    logit_normal,
    min_snr_weight,
    noised,
    squared_error,
    stratified,
    target,
    timesteps_at,
    unet_loss,
    update_average,
    v_weight,
    vae_loss,
)

ALPHA_BAR = DDPMScheduler(beta_schedule="scaled_linear").alphas_cumprod.double()
T = torch.tensor([0, 250, 600, 999])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(seed, *shape):
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


@pytest.fixture
def batch():
    """x0, noise [4, 2, 3, 3] and alpha_bar [4, 1, 1, 1]."""
    return randn(0, 4, 2, 3, 3), randn(1, 4, 2, 3, 3), ALPHA_BAR[T].view(-1, 1, 1, 1)


def test_the_vaes_loss_is_three_means():
    restored, pictures, mean, log_variance = (randn(seed, 2, 3, 8, 8) for seed in range(4))
    loss, mse = vae_loss(restored, pictures, mean, log_variance, absolute=0.5, kl_weight=0.01)
    kl = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum((1, 2, 3))
    torch.testing.assert_close(kl_to_normal(mean, log_variance), kl)
    torch.testing.assert_close(mse, (restored - pictures).square().mean())
    apart = (restored - pictures).abs().mean()
    torch.testing.assert_close(loss, mse + 0.5 * apart + 0.01 * kl.mean())


def test_shares_are_one_in_each_part():
    shares = stratified(50, seeded())
    assert (torch.floor(50 * shares) == torch.arange(50)).all()
    many = torch.cat([stratified(4, seeded(seed)) for seed in range(500)])
    assert float(many.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(many.var()) == pytest.approx(1 / 12, abs=0.005)


def test_timesteps_cover_all_a_thousand():
    every = timesteps_at((torch.arange(1000) + 0.5) / 1000)
    assert every.dtype == torch.int64 and every.tolist() == list(range(1000))
    assert timesteps_at(torch.tensor([0.0, 1.0])).tolist() == [0, 999]
    uneven = timesteps_at(torch.tensor([0.25, 0.5, 0.75]), ((0, 0), (0.5, 10), (1, 20)))
    assert uneven.tolist() == [5, 10, 15]
    reach = ((0.0, 0), (0.15, 400), (0.6, 800), (1.0, 1000))
    shares = torch.rand(10_000, generator=seeded())
    expected = np.interp(shares.numpy(), *np.array(reach).T).astype(np.int64)
    assert timesteps_at(shares, reach).tolist() == expected.tolist()


def test_some_captions_are_left_out():
    ids, empty = torch.arange(1, 8001).view(2000, 4), torch.zeros(4, dtype=torch.int64)
    got, dropped = drop_captions(ids, empty, 0.1, seeded())
    assert (got[dropped] == 0).all() and (got[~dropped] == ids[~dropped]).all()
    assert float(dropped.double().mean()) == pytest.approx(0.1, abs=0.02)
    assert not drop_captions(ids, empty, 0.0, seeded())[1].any()


def test_noise_and_velocity_are_diffusers(batch):
    x0, noise, alpha_bar = batch
    scheduler = DDPMScheduler(beta_schedule="scaled_linear")
    single = x0.float(), noise.float()
    torch.testing.assert_close(
        noised(x0, noise, alpha_bar).float(), scheduler.add_noise(*single, T)
    )
    velocity = target("v_prediction", x0, noise, alpha_bar).float()
    torch.testing.assert_close(velocity, scheduler.get_velocity(*single, T))


def test_each_prediction_gives_the_others(batch):
    x0, noise, alpha_bar = batch
    x_t = noised(x0, noise, alpha_bar)
    v = target("v_prediction", x0, noise, alpha_bar)
    torch.testing.assert_close(eps_between(x_t, x0, alpha_bar), noise)
    torch.testing.assert_close(alpha_bar.sqrt() * x_t - (1 - alpha_bar).sqrt() * v, x0)
    assert target("epsilon", x0, noise, alpha_bar) is noise
    assert target("sample", x0, noise, alpha_bar) is x0


@pytest.mark.parametrize("function", [target, min_snr_weight])
def test_unknown_predictions_are_refused(function, batch):
    arguments = batch if function is target else (ALPHA_BAR,)
    with pytest.raises(ValueError, match="epsilom.*epsilon"):
        function("epsilom", *arguments)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_min_snr_is_one_loss_whatever_is_predicted(prediction, batch):
    """A wrong x0 makes a wrong eps and a wrong v at the same x_t; weighted, they cost the same."""
    x0, noise, alpha_bar = batch
    x_t, wrong = noised(x0, noise, alpha_bar), x0 + randn(2, *x0.shape)
    wanted = target(prediction, x0, noise, alpha_bar)
    predicted = target(prediction, wrong, eps_between(x_t, wrong, alpha_bar), alpha_bar)
    weight = min_snr_weight(prediction, ALPHA_BAR[T], 5.0)
    snr = (ALPHA_BAR / (1 - ALPHA_BAR))[T]
    error = squared_error(predicted.double(), wanted)
    expected = snr.clamp(max=5) * squared_error(wrong, x0)
    torch.testing.assert_close(weight * error, expected.double(), rtol=1e-4, atol=1e-6)


def test_the_weight_of_v_makes_of_eps_error_that_of_v(batch):
    x0, noise, alpha_bar = batch
    x_t, wrong = noised(x0, noise, alpha_bar), x0 + 1
    of_eps = squared_error(eps_between(x_t, wrong, alpha_bar), noise)
    other = target("v_prediction", wrong, eps_between(x_t, wrong, alpha_bar), alpha_bar)
    of_v = squared_error(other, target("v_prediction", x0, noise, alpha_bar))
    here = ALPHA_BAR[T]
    torch.testing.assert_close(v_weight(here, 1e9) * of_eps, of_v, rtol=1e-4, atol=1e-6)
    assert v_weight(here).tolist() == [*(1 / here[:-1]).tolist(), 30.0]


def test_errors_are_measured_in_float32():
    half = torch.full((1, 70_000), 2.0, dtype=torch.float16)
    assert squared_error(half, torch.zeros_like(half)).dtype == torch.float32
    assert squared_error(half, torch.zeros(1, 70_000)).item() == 4


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_unets_loss_is_none_where_it_knows_the_truth(prediction, batch):
    x0, noise, alpha_bar = batch
    seen = {}

    def truth(x_t, timesteps):
        seen.update(x_t=x_t, timesteps=timesteps)
        return target(prediction, x0, noise, alpha_bar)

    assert unet_loss(truth, x0, noise, T, ALPHA_BAR, prediction) < 1e-12
    torch.testing.assert_close(seen["x_t"], noised(x0, noise, alpha_bar))
    assert seen["timesteps"] is T

    def none(x_t, _):
        return torch.zeros_like(x_t)

    errors = target(prediction, x0, noise, alpha_bar).square().mean((1, 2, 3))
    loss = unet_loss(none, x0, noise, T, ALPHA_BAR, prediction)
    torch.testing.assert_close(loss, errors.mean(), rtol=1e-6, atol=0)
    weighted = unet_loss(none, x0, noise, T, ALPHA_BAR, prediction, min_snr=5.0)
    weights = min_snr_weight(prediction, ALPHA_BAR[T])
    torch.testing.assert_close(weighted, (weights * errors).mean(), rtol=1e-6, atol=0)


def test_a_flows_times_are_most_in_the_middle():
    times = logit_normal(20_000, seeded(), mean=0.5, std=2.0)
    assert 0 < times.min() and times.max() < 1
    logits = times.double().logit()
    assert float(logits.mean()) == pytest.approx(0.5, abs=0.05)
    assert float(logits.std()) == pytest.approx(2.0, abs=0.05)
    middle = (logit_normal(20_000, seeded()) - 0.5).abs() < 0.25
    assert float(middle.double().mean()) == pytest.approx(0.728, abs=0.02)  # 2 Phi(log 3) - 1


def test_a_flows_loss_is_of_the_straight_way(batch):
    x0, noise, _ = batch
    times = torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=torch.float64)
    seen = {}

    def predict(x_t, t):
        seen.update(x_t=x_t, t=t)
        return noise - x0 + 2

    assert flow_loss(predict, x0, noise, times).item() == pytest.approx(4)
    torch.testing.assert_close(seen["x_t"][[0, 3]], torch.stack((x0[0], noise[3])))
    torch.testing.assert_close(seen["x_t"][1], torch.lerp(x0[1], noise[1], 0.25))
    assert seen["t"] is times


def test_the_average_follows_the_weights():
    module = nn.Linear(2, 1)
    average = {name: torch.zeros_like(p) for name, p in module.named_parameters()}
    update_average(average, module, decay=0.9, steps=1)  # early on 2 / 11 are kept
    torch.testing.assert_close(average["weight"], module.weight.detach() * 9 / 11)
    for name, parameter in module.named_parameters():
        average[name] = torch.zeros_like(parameter)
    update_average(average, module, decay=0.9, steps=10_000)
    torch.testing.assert_close(average["bias"], module.bias.detach() * 0.1)
    assert F.mse_loss(average["weight"], module.weight * 0.1).item() < 1e-12
