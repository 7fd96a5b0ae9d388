"""DDIM there and back on an exact mixture, in float64, and on the embedded model."""

import math

import pytest
import torch

from sdlab.inversion import schemes
from sdlab.inversion.invert import errors, invert, invert_with, regenerate, regenerate_with
from sdlab.noise import NoiseSchedule
from sdlab.noise.curves import make
from sdlab.solvers.diffusers_adapter import SD_CONFIG

MEANS = torch.tensor([[-1.0, -0.5], [1.0, 0.3], [0.2, 1.4]], dtype=torch.float64)
STD = 0.25


def mixture(x, sigma):
    """The exact denoiser of three Gaussians in the plane."""
    points = x.reshape(len(x), 1, 2)
    variance = STD**2 + sigma**2
    weights = torch.softmax(-(points - MEANS).square().sum(-1) / (2 * variance), -1)
    means = (STD**2 * points + sigma**2 * MEANS) / variance
    return (weights[..., None] * means).sum(1).reshape(x.shape)


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    picked = MEANS[torch.randint(3, (2048,), generator=generator)]
    noise = torch.randn(2048, 2, generator=generator, dtype=torch.float64)
    return (picked + STD * noise).reshape(-1, 2, 1, 1)


def round_trip(data, method, steps):
    sigmas = tuple(make("trailing", NoiseSchedule.from_config(SD_CONFIG), steps, {}).tolist())
    there = invert_with(mixture, data, sigmas, method, schemes.scheme(method))
    back = regenerate_with(mixture, there)
    return float((back.latents - data).square().mean().sqrt() / data.square().mean().sqrt())


def test_naive_inversion_is_first_order(data):
    coarse, fine = (round_trip(data, "naive", steps) for steps in (100, 200))
    assert 0.7 < math.log2(coarse / fine) < 1.2


def test_the_fixed_point_is_ten_times_closer_at_50_steps(data):
    assert round_trip(data, "fixed_point", 50) < 0.1 * round_trip(data, "naive", 50)


def test_edict_comes_back_exactly(data):
    assert round_trip(data, "edict", 50) < 1e-10


def test_edict_without_mixing_tends_to_ddim(data):
    """With p = 1 both EDICT states follow DDIM, the closer the smaller the steps."""
    gaps = []
    for steps in (100, 400):
        sigmas = tuple(make("trailing", NoiseSchedule.from_config(SD_CONFIG), steps, {}).tolist())
        start = data / STD * sigmas[0]
        plain = regenerate_with(mixture, _at(start, sigmas, "naive"))
        both = regenerate_with(mixture, _at(torch.cat((start, start)), sigmas, "edict"))
        gaps.append(float((plain.latents - both.latents).square().mean().sqrt()))
    assert gaps[1] < 0.5 * gaps[0]


def _at(start, sigmas, method):
    from sdlab.inversion.invert import Inversion

    return Inversion(sigmas, method, schemes.scheme(method, mix=1.0), (start,) * len(sigmas))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"method": "ddmi"}, "naive"),
        ({"method": "fixed_point", "iterations": 0}, "iterations"),
        ({"method": "edict", "mix": 0.4}, "mix"),
    ],
)
def test_bad_options_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        schemes.scheme(**arguments)


class TestOnTheEmbeddedModel:
    PROMPT = "a car on a beach"

    @pytest.fixture(scope="class")
    def latents(self, embedded):
        import sdlab

        experiment = sdlab.Experiment(prompt=self.PROMPT, seed=3, num_steps=20)
        return sdlab.run(embedded, experiment).latents

    def test_the_exact_scheme_comes_back(self, embedded, latents):
        there = invert(embedded, latents, self.PROMPT, method="edict", num_steps=20)
        back = regenerate(embedded, there, self.PROMPT)
        table = errors(there, back)
        assert table["relative"].iloc[-1] < 1e-3
        assert table["rmse"].iloc[0] == 0

    def test_each_scheme_is_closer_than_the_one_before(self, embedded, latents):
        gaps = []
        for method in schemes.METHODS:
            there = invert(embedded, latents, self.PROMPT, method=method, num_steps=20)
            back = regenerate(embedded, there, self.PROMPT)
            gaps.append(errors(there, back)["relative"].iloc[-1])
        assert gaps == sorted(gaps, reverse=True)

    def test_progress_counts_every_evaluation(self, embedded, latents):
        seen = []
        invert(
            embedded, latents, self.PROMPT, method="fixed_point", num_steps=4, iterations=3,
            on_progress=lambda done, total: seen.append((done, total)),
        )  # fmt: skip
        assert seen == [(n, 12) for n in range(1, 13)]

    def test_a_later_start_keeps_the_steps_before_it(self, embedded, latents):
        there = invert(embedded, latents, self.PROMPT, method="naive", num_steps=10)
        back = regenerate(embedded, there, "a cat on a beach", start=7)
        assert back.path.shape[0] == 4
        assert torch.equal(back.path[0], there.path[7])
        with pytest.raises(ValueError, match="from 0 to 9, got 10"):
            regenerate(embedded, there, self.PROMPT, start=10)

    @pytest.mark.parametrize(
        ("bad", "match"),
        [
            (torch.zeros(1, 16, 16, 16), r"\[B, 4, h, w\]"),
            (torch.zeros(4, 16, 16), r"\[B, 4, h, w\]"),
            (torch.zeros(1, 4, 16, 16, dtype=torch.int64), "floating point"),
            (torch.full((1, 4, 16, 16), float("nan")), "1024 of 1024"),
        ],
    )
    def test_latents_that_do_not_fit_are_refused(self, embedded, bad, match):
        with pytest.raises(ValueError, match=match):
            invert(embedded, bad, self.PROMPT)
