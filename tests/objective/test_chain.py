"""The step back in numbers: against diffusers' DDPM, its own closed forms, and DDPM's weights."""

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from sdlab.errors import ModelError
from sdlab.noise.schedule import NoiseSchedule
from sdlab.objective.chain import chain, reverse_step, step_numbers
from sdlab.objective.looking import looking
from sdlab.objective.loss_curve import weights
from sdlab.solvers.from_diffusers import SD_CONFIG
from sdlab.work import finish

SD = NoiseSchedule.from_config(SD_CONFIG)


@pytest.fixture(scope="module")
def look(small):
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    return finish(looking(small, latents, 300, "a red car"))


@pytest.mark.parametrize("t", [1, 20, 500, 999])
def test_the_variances_are_those_of_diffusers(t):
    theirs = DDPMScheduler.from_config(SD_CONFIG, variance_type="fixed_small")
    numbers = step_numbers(SD, t)
    small, large = (float(theirs._get_variance(t, variance_type=k)) for k in
                    ("fixed_small", "fixed_large"))  # fmt: skip
    assert numbers.beta_tilde == pytest.approx(small, rel=1e-3)
    assert numbers.beta == pytest.approx(large, rel=1e-3)
    assert numbers.learned(0) == pytest.approx(numbers.beta_tilde)
    assert numbers.learned(1) == pytest.approx(numbers.beta)
    assert numbers.beta_tilde < numbers.learned(0.5) < numbers.beta


def test_both_means_are_those_of_the_equations(look):
    numbers, back = step_numbers(SD, 300), reverse_step(SD, look)
    posterior = numbers.of_x0 * look.x0.double() + numbers.of_x_t * look.x_t.double()
    torch.testing.assert_close(back.posterior, posterior)
    eps = look.answers["caption"].eps_pred.double()  # DDPM eq. 11
    mean = (look.x_t.double() - numbers.of_eps * eps) / (1 - numbers.beta) ** 0.5
    torch.testing.assert_close(back.predicted, mean, rtol=1e-5, atol=1e-5)


def test_the_term_is_the_weighted_loss(look):
    """DDPM eq. 12; where the variances differ, another constant is added."""
    n, back = step_numbers(SD, 300), reverse_step(SD, look, v=1.0)
    alone = n.beta**2 / (2 * n.beta_tilde * (1 - n.beta) * (1 - n.alpha_bar))
    assert back.terms["fixed_small"] == pytest.approx(alone * look.loss("caption"), rel=1e-4)
    ratio = n.beta_tilde / n.beta
    constant = 0.5 * (ratio - 1 - np.log(ratio))
    large = alone * ratio * look.loss("caption") + constant
    assert back.terms["fixed_large"] == pytest.approx(large, rel=1e-4)
    assert back.terms["learned_range"] == pytest.approx(back.terms["fixed_large"])


def test_the_bounds_weights_are_ddpms():
    """Half of the fall of the SNR, told for eps: DDPM's eq. 12 at every timestep."""
    table = weights(SD, most=1000)
    assert len(table) == 999 and (table["simple"] == 1).all()
    diffusion = chain(SD)
    t = table["timestep"].to_numpy(copy=True)
    n = {k: getattr(diffusion, k)[t].numpy() for k in ("beta", "beta_tilde", "alpha_bar")}
    theirs = n["beta"] ** 2 / (2 * n["beta_tilde"] * (1 - n["beta"]) * (1 - n["alpha_bar"]))
    np.testing.assert_allclose(table["elbo"], theirs / theirs.mean(), rtol=1e-8)
    capped = np.minimum(1, 5 * table["sigma"] ** 2)
    np.testing.assert_allclose(table["min_snr"], capped / capped.mean())
    assert len(weights(SD)) == 250


def test_zero_terminal_snr_has_its_numbers_too():
    zero = NoiseSchedule.from_config({**SD_CONFIG, "rescale_betas_zero_snr": True})
    last = step_numbers(zero, 999)
    assert last.alpha_bar == pytest.approx(2.0**-24) and 0 < last.beta < 1
    assert np.isfinite(weights(zero).to_numpy()).all()


def test_flow_matching_has_no_such_chain():
    with pytest.raises(ModelError, match="Flow matching has no chain"):
        step_numbers(NoiseSchedule.flow_matching(), 5)
    with pytest.raises(ValueError, match="timestep must be from 0 to 999"):
        step_numbers(SD, 1000)
