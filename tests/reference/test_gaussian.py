"""On Gaussian data DDPM has closed forms: held against linear algebra, and learned by a network."""

import numpy as np
import pytest
import torch
from torch import nn

from sdlab.reference.ddpm import GaussianDiffusion, bound, cosine_betas, hybrid_loss, linear_betas
from sdlab.reference.gaussian import GaussianData

DATA = GaussianData(
    mean=torch.tensor([0.5, -0.2], dtype=torch.float64),
    std=torch.tensor([0.2, 0.7], dtype=torch.float64),
)


def fixed(chain, kind):
    """A fixed log variance for every step and entry, [T, 1]."""
    t = torch.arange(len(chain))
    return chain.log_variance(kind, torch.zeros(len(chain), 1, dtype=torch.float64), t)


def mean_bound(chain, log_variance):
    """The bound's mean over data and noise, exactly.

    With the best mean every term is a square in two normal numbers, data's and noise's, and those
    at -1 and 1 alone give its mean (two points of Gauss and Hermite).
    """
    signs = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    x0 = DATA.mean + DATA.std * signs.repeat(2, 1)
    noise = signs.repeat_interleave(2, 0).expand(-1, 2)
    total = chain.prior_term(x0)
    for step in range(len(chain)):
        t = torch.full((4,), step)
        x_t = chain.noised(x0, t, noise)
        mean = chain.reverse_mean(x_t, t, DATA.eps(chain, x_t, t))
        total += chain.term(x0, x_t, t, mean, log_variance.expand(-1, 2)[t])
    return float(total.mean())


def mean_nll():
    return float(DATA.nll(DATA.mean + DATA.std * torch.tensor([[-1.0], [1.0]])).mean())


def test_the_likelihood_is_torchs():
    x0 = DATA.sample(7, torch.Generator().manual_seed(0))
    density = torch.distributions.Normal(DATA.mean, DATA.std).log_prob(x0).sum(1)
    torch.testing.assert_close(DATA.nll(x0), -density)
    many = DATA.sample(20_000, torch.Generator().manual_seed(1))
    torch.testing.assert_close(many.mean(0), DATA.mean, rtol=0, atol=0.03)
    torch.testing.assert_close(many.std(0), DATA.std, rtol=0.03, atol=0)


@pytest.mark.parametrize("betas", [cosine_betas(6), linear_betas(24)])
def test_noise_and_variance_are_those_of_the_whole_chains_covariance(betas):
    """x_0 ... x_T and the noise of each are jointly normal: conditioned by linear algebra."""
    chain = GaussianDiffusion(betas)
    count = len(chain) + 1
    for entry in range(2):
        rows = torch.zeros(count, count, dtype=torch.float64)  # each x in independent normals
        rows[0, 0] = DATA.std[entry]
        for t, beta in enumerate(chain.beta):
            rows[t + 1] = (1 - beta).sqrt() * rows[t]
            rows[t + 1, t + 1] = beta.sqrt()
        covariance = rows @ rows.T
        before, after = covariance.diagonal()[:-1], covariance.diagonal()[1:]
        between = covariance.diagonal(1)
        torch.testing.assert_close(
            DATA.variance(chain)[:, entry], before - between.square() / after
        )
        # E[x_0 | x_t] from the same covariance, turned into noise
        x_t = DATA.sample(len(chain), torch.Generator().manual_seed(2))
        t = torch.arange(len(chain))
        signal = chain.alpha_bar.sqrt()
        apart = x_t[:, entry] - signal * DATA.mean[entry]
        x0 = DATA.mean[entry] + covariance[0, 1:] / after * apart
        eps = (x_t[:, entry] - signal * x0) / (1 - chain.alpha_bar).sqrt()
        torch.testing.assert_close(DATA.eps(chain, x_t, t)[:, entry], eps)


def test_the_best_variance_lies_between_the_fixed_ones():
    chain = GaussianDiffusion(linear_betas(50))
    zero = torch.zeros(3, dtype=torch.float64)
    ends = GaussianData(zero, torch.tensor([1.0, 0.5, 1e-9], dtype=torch.float64))
    torch.testing.assert_close(ends.variance(chain)[:, 0], chain.beta)
    torch.testing.assert_close(ends.variance(chain)[1:, 2], chain.beta_tilde[1:])
    assert (chain.beta_tilde < ends.variance(chain)[:, 1]).all()
    assert (ends.variance(chain)[:, 1] < chain.beta).all()
    v = ends.v(chain)[1:]
    assert v[:, 0].allclose(torch.ones_like(v[:, 0])) and v[:, 2].abs().max() < 1e-9
    rebuilt = chain.log_variance("learned_range", ends.v(chain), torch.arange(50), ends.v(chain))
    torch.testing.assert_close(rebuilt.exp(), ends.variance(chain))


@pytest.mark.parametrize("betas", [cosine_betas(4), linear_betas(40)])
@pytest.mark.parametrize("kind", ["fixed_small", "fixed_large", "best"])
def test_the_bound_exceeds_the_likelihood_by_what_the_closed_form_says(betas, kind):
    chain = GaussianDiffusion(betas)
    log_variance = DATA.variance(chain).log() if kind == "best" else fixed(chain, kind)
    gap = DATA.gap(chain, log_variance)
    assert gap > 0
    assert mean_bound(chain, log_variance) == pytest.approx(mean_nll() + gap, rel=1e-10)


def gaps_beside_the_priors(kind, counts):
    for steps in counts:
        chain = GaussianDiffusion(linear_betas(steps))
        prior = DATA.gap(chain, DATA.variance(chain).log())
        yield DATA.gap(chain, fixed(chain, kind)) - prior


def test_with_fixed_large_the_bound_tightens_as_steps_grow():
    gaps = list(gaps_beside_the_priors("fixed_large", (100, 400, 1600, 6400)))
    for coarse, fine in zip(gaps, gaps[1:], strict=False):
        assert fine == pytest.approx(coarse / 4, rel=0.2)


def test_with_fixed_small_it_does_not():
    """In the first steps beta_tilde is beta t / (t + 1) for any T, while beta is the best.

    The sum of (1 / t - log(1 + 1 / t)) / 2 is half of Euler's constant; (1 - log 2) / 2 more is
    lost at t = 0, which borrows the variance of t = 1.
    """
    for gap in gaps_beside_the_priors("fixed_small", (80_000, 320_000)):
        limit = (np.euler_gamma + 1 - np.log(2)) / 2
        assert gap / len(DATA.std) == pytest.approx(limit, rel=0.01)


def test_with_the_best_variance_only_the_prior_parts_bound_and_likelihood():
    for betas in (linear_betas(30), cosine_betas(3)):
        chain = GaussianDiffusion(betas)
        gap = DATA.gap(chain, DATA.variance(chain).log())
        last = float(chain.alpha_bar[-1])
        variance = last * DATA.std**2 + 1 - last
        prior = 0.5 * (variance + last * DATA.mean**2 - 1 - variance.log()).sum()
        assert gap == pytest.approx(float(prior), rel=1e-6)


def test_a_drawn_bound_has_that_mean():
    chain = GaussianDiffusion(cosine_betas(8))
    log_variance = fixed(chain, "fixed_large")
    x0 = DATA.sample(4000, torch.Generator().manual_seed(0))

    def reverse(x_t, t):
        mean = chain.reverse_mean(x_t, t, DATA.eps(chain, x_t, t))
        return mean, log_variance.expand(-1, 2)[t]

    above = bound(chain, x0, reverse, torch.Generator().manual_seed(1)) - DATA.nll(x0)
    error = float(above.std()) / len(above) ** 0.5
    assert abs(float(above.mean()) - DATA.gap(chain, log_variance)) < 5 * error < 0.1


def test_a_network_learns_the_best_variance():
    """v alone is learned, from samples, by the hybrid loss; the mean is the best one."""
    chain = GaussianDiffusion(cosine_betas(16))
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(16, 32), nn.SiLU(), nn.Linear(32, 2)).double()
    waves = torch.outer((torch.arange(16) + 0.5) / 16, torch.arange(1, 17)) * torch.pi
    waves = waves.cos().double()
    optimizer = torch.optim.Adam(network.parameters())
    steps = 150
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / steps)
        t = torch.arange(512) % 16
        x0 = DATA.sample(512, generator)
        noise = torch.randn(x0.shape, generator=generator, dtype=torch.float64)
        x_t = chain.noised(x0, t, noise)
        outputs = DATA.eps(chain, x_t, t), network(waves[t])
        loss = hybrid_loss(chain, x0, t, noise, outputs).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    v = network(waves).detach()
    learned = chain.log_variance("learned_range", v, torch.arange(16), v)
    best = DATA.variance(chain).log()
    assert (learned - best).abs().max() < 0.15
    prior = DATA.gap(chain, best)
    lost = {kind: DATA.gap(chain, fixed(chain, kind)) for kind in ("fixed_small", "fixed_large")}
    assert DATA.gap(chain, learned) - prior < 0.05 * (min(lost.values()) - prior)
