"""Whether a sampler keeps the marginals, and how its noise is put into the bench's hands."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from sdlab.auditing.accuracy import Runs
from sdlab.auditing.draws import NoDraws, SameDraws, handing
from sdlab.auditing.marginals import marginals
from sdlab.auditing.named import subject_of
from sdlab.auditing.subject import free
from tests.auditing import samplers


def judged(sampler, options=None, counts=(32, 64)):
    subject = subject_of(sampler, options)
    runs = Runs(subject, "vp", False, True, 0)
    rows = pd.DataFrame([runs.row(n, jump=False) for n in counts])
    return marginals(subject, "vp", rows)


def test_an_sde_sampler_keeps_mean_and_variance():
    found = judged("dpmpp_2m_sde")
    assert found.keeps and found.exact and found.mean < 1e-9
    assert found.variance == pytest.approx(1.0, abs=0.02)


def test_one_with_a_brownian_tree_is_handed_increments_instead():
    found = judged(samplers.sample_sde, None, (128, 256))
    assert found.exact and found.keeps
    assert found.variance == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("s_noise", "keeps"), [(1.0, True), (0.9, False)])
def test_too_little_noise_does_not(s_noise, keeps):
    found = judged(samplers.sample_ancestral, {"s_noise": s_noise}, (128, 256))
    assert found.exact and found.keeps == keeps
    assert found.variance == pytest.approx(1.0 if keeps else 0.81, abs=0.05)


def test_samples_have_an_interval():
    subject = subject_of(samplers.sample_ancestral)
    over = subject.over

    def sampled(*given):
        return replace(over(*given), takes_noise=False)

    found = judged(free(replace(subject, over=sampled)))
    assert not found.exact and found.variance_low < found.variance < found.variance_high
    assert found.mean_high > found.mean


def test_draws_are_handed_over_and_torchs_own_stay_as_they_are():
    x = torch.zeros(2, 3, dtype=torch.float64)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    with handing(SameDraws(5)):
        like, plain = torch.randn_like(x), torch.randn(2, 3, dtype=torch.float64)
        sized, filled = torch.randn((2, 3), dtype=torch.float64), torch.empty_like(x).normal_(1, 2)
    drawn = SameDraws(5)
    for found in (like, plain, sized):
        assert torch.equal(found, drawn(x))
    assert torch.equal(filled, 1 + 2 * drawn(x))
    assert torch.equal(torch.get_rng_state(), state)
    with handing(NoDraws()):
        assert not torch.randn(4, generator=torch.Generator()).any()
