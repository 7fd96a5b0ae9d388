"""The chain against Bayes' rule and diffusers; the variational bound's terms against torch's."""

import math

import pytest
import torch
from diffusers import DDPMScheduler
from torch.distributions import Normal, kl_divergence

from sdlab.reference.ddpm import (
    VARIANCES,
    GaussianDiffusion,
    bound,
    cosine_betas,
    hybrid_loss,
    linear_betas,
)

T = 1000


def randn(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def batch(steps, seed=0):
    """Data, timesteps that reach both ends, noise."""
    return randn(seed, steps, 3, 4), torch.arange(steps), randn(seed + 1, steps, 3, 4)


@pytest.fixture
def linear():
    return GaussianDiffusion(linear_betas(T))


@pytest.mark.parametrize("steps", [21, 1000])
def test_linear_betas_add_the_same_noise_with_any_number_of_steps(steps):
    betas = linear_betas(steps)
    assert len(betas) == steps and 0 < betas.min() and betas.max() < 1
    torch.testing.assert_close(betas.sum(), torch.tensor(10.05, dtype=torch.float64))


def test_betas_are_diffusers():
    one = DDPMScheduler(T, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
    other = DDPMScheduler(T, beta_schedule="squaredcos_cap_v2")
    torch.testing.assert_close(linear_betas(T).float(), one.betas)
    torch.testing.assert_close(cosine_betas(T).float(), other.betas)


def test_numbers_of_steps_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="steps must be 21 or more .* got 20; use cosine"):
        linear_betas(20)
    with pytest.raises(ValueError, match="steps must be 1 or more, got 0"):
        cosine_betas(0)


def test_betas_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"beta must have shape \[T\], got \(2, 2\)"):
        GaussianDiffusion(torch.full((2, 2), 0.1))
    with pytest.raises(ValueError, match="beta must lie between 0 and 1, got 0.1 to 1"):
        GaussianDiffusion(torch.tensor([0.1, 1.0]))


def test_a_step_after_the_other_makes_the_same_distribution(linear):
    """eq. 2, T times, against eq. 4: the mean's factor and the variance."""
    factor, variance, factors, variances = 1.0, 0.0, [], []
    for beta in linear.beta.tolist():
        factor, variance = factor * math.sqrt(1 - beta), (1 - beta) * variance + beta
        factors.append(factor)
        variances.append(variance)
    t, one, zero = torch.arange(T), torch.ones(T, 1).double(), torch.zeros(T, 1).double()
    torch.testing.assert_close(linear.noised(one, t, zero)[:, 0].tolist(), factors)
    torch.testing.assert_close(linear.noised(zero, t, one)[:, 0].square().tolist(), variances)


def test_the_posterior_is_bayes_rule(linear):
    """Precisions add: of x_{t-1} given x_0, and of what x_t says of x_{t-1}."""
    x0, t, noise = batch(T)
    x_t = linear.noised(x0, t, noise)
    before, beta = (values[1:, None, None] for values in (linear.alpha_bar_before, linear.beta))
    precision = 1 / (1 - before) + (1 - beta) / beta
    mean = (before.sqrt() / (1 - before) * x0[1:] + (1 - beta).sqrt() / beta * x_t[1:]) / precision
    torch.testing.assert_close(linear.beta_tilde[1:], 1 / precision[:, 0, 0])
    torch.testing.assert_close(linear.posterior_mean(x0, x_t, t)[1:], mean)
    torch.testing.assert_close(linear.posterior_mean(x0, x_t, t)[0], x0[0])
    assert linear.beta_tilde[0] == 0


def test_both_ways_to_the_reverse_mean_agree(linear):
    x0, t, noise = batch(T)
    x_t = linear.noised(x0, t, noise)
    torch.testing.assert_close(linear.x0_pred(x_t, t, noise), x0)
    through_x0 = linear.posterior_mean(linear.x0_pred(x_t, t, noise), x_t, t)
    torch.testing.assert_close(linear.reverse_mean(x_t, t, noise), through_x0)


@pytest.mark.parametrize("kind", VARIANCES)
@pytest.mark.parametrize("step", [0, 1, 500, 999])
def test_a_reverse_step_is_diffusers(kind, step, linear):
    """diffusers' v runs from -1 to 1. Its schedule is float32: 1 - alpha_bar at t = 0 is 1e-4."""
    scheduler = DDPMScheduler(
        T, beta_start=1e-4, beta_end=0.02, variance_type=kind, clip_sample=False
    )
    x_t, eps, v = (randn(seed, 1, 3, 4, 4).float() for seed in (1, 2, 3))
    output = torch.cat((eps, 2 * v - 1), 1) if kind == "learned_range" else eps
    theirs = scheduler.step(output, step, x_t, generator=torch.Generator().manual_seed(7))
    t = torch.tensor([step])
    log_variance = linear.log_variance(kind, x_t, t, v if kind == "learned_range" else None)
    noise = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(7))
    ours = linear.step(linear.reverse_mean(x_t, t, eps), log_variance, t, noise)
    torch.testing.assert_close(ours, theirs.prev_sample, rtol=1e-4, atol=1e-5)


def test_learned_variances_begin_at_one_fixed_and_end_at_the_other(linear):
    x_t, t = torch.zeros(T, 2), torch.arange(T)
    ends = {
        value: linear.log_variance("learned_range", x_t, t, torch.full_like(x_t, value))
        for value in (0.0, 0.5, 1.0)
    }
    small, large = (linear.log_variance(kind, x_t, t) for kind in ("fixed_small", "fixed_large"))
    torch.testing.assert_close(ends[0.0], small)
    torch.testing.assert_close(ends[1.0], large)
    torch.testing.assert_close(ends[0.5], (small + large) / 2)
    torch.testing.assert_close(large[:, 0].double(), linear.beta.log(), rtol=1e-6, atol=0)
    assert small[0, 0] == small[1, 0]  # log 0 is no number


def test_variances_that_do_not_fit_are_refused(linear):
    x_t, t = torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64)
    with pytest.raises(ValueError, match="fixed_smal.*fixed_small"):
        linear.log_variance("fixed_smal", x_t, t)
    with pytest.raises(ValueError, match="'learned_range' needs v"):
        linear.log_variance("learned_range", x_t, t)
    with pytest.raises(ValueError, match="'fixed_large' takes no v"):
        linear.log_variance("fixed_large", x_t, t, x_t)


def test_the_bound_is_the_sum_of_its_terms():
    """With q's own posterior as p every KL is 0: what is left are both ends."""
    chain = GaussianDiffusion(cosine_betas(8))
    x0 = randn(0, 6, 3)

    def posterior(x_t, t):
        log_variance = chain.log_variance("fixed_small", x_t, t)
        return chain.posterior_mean(x0, x_t, t), log_variance

    got = bound(chain, x0, posterior, torch.Generator().manual_seed(1))
    last = 1.5 * (math.log(2 * math.pi) + float(chain.log_beta_tilde[0]))
    torch.testing.assert_close(got, chain.prior_term(x0) + last)
    left = 1 - chain.alpha_bar[-1]
    ends = Normal(chain.alpha_bar[-1].sqrt() * x0, left.sqrt()), Normal(0.0, 1.0)
    torch.testing.assert_close(chain.prior_term(x0), kl_divergence(*ends).sum(1))


def test_only_the_simple_loss_trains_the_mean():
    chain = GaussianDiffusion(cosine_betas(16))
    x0, t, noise = batch(16)
    eps_pred, v = (randn(seed, *x0.shape).requires_grad_() for seed in (5, 6))
    hybrid_loss(chain, x0, t, noise, (eps_pred, v)).mean().backward()
    simple = torch.autograd.grad((eps_pred - noise).square().mean(), eps_pred)[0]
    torch.testing.assert_close(eps_pred.grad, simple)
    assert (v.grad != 0).all()
    lone = hybrid_loss(chain, x0, t, noise, (eps_pred, v), vlb_weight=0.0)
    torch.testing.assert_close(lone, (eps_pred - noise).square().mean((1, 2)))
