"""DDIM there and back on exact data, in float64, and on the embedded model."""

import math
from itertools import pairwise

import pytest
import torch

from sdlab.ddim import schemes
from sdlab.ddim.invert import errors, invert, invert_with, regenerate, regenerate_with
from sdlab.ddim.settings import DdimSettings
from sdlab.denoisers.gaussian import Gaussian
from sdlab.denoisers.mixture import Mixture
from sdlab.noise import NoiseSchedule
from sdlab.noise.curves import make
from sdlab.solvers.from_diffusers import SD_CONFIG
from sdlab.solvers.registry import solvers

pytestmark = pytest.mark.slow

SCHEDULE = NoiseSchedule.from_config(SD_CONFIG)
MEANS = torch.tensor([[-1.0, -0.5], [1.0, 0.3], [0.2, 1.4]], dtype=torch.float64)
NARROW, WIDE = (Mixture.even(MEANS.reshape(3, 2, 1, 1), std) for std in (0.25, 0.5))
GAUSSIAN = Gaussian(torch.zeros(2, 1, 1, dtype=torch.float64), torch.full((2,), 0.5).double())


def data(problem, count=2048):
    return problem.sample(count, torch.Generator().manual_seed(0))


def losses(problem, method, steps, curve="trailing"):
    """Return how far each sample ends from where it began, and the samples' root mean square."""
    x0 = data(problem)
    sigmas = tuple(make(curve, SCHEDULE, steps, {}).tolist())
    there = invert_with(problem.denoise, x0, sigmas, method, schemes.scheme(method))
    back = regenerate_with(problem.denoise, there)
    return (back.latents - x0).square().mean((1, 2, 3)).sqrt(), x0.square().mean().sqrt()


def round_trip(problem, method, steps, curve="trailing"):
    lost, size = losses(problem, method, steps, curve)
    return float(lost.square().mean().sqrt() / size)


@pytest.mark.parametrize("problem", [GAUSSIAN, WIDE], ids=["gaussian", "wide mixture"])
def test_naive_inversion_is_first_order(problem):
    """Twice the steps, half the error: where the flow is smooth, from 25 steps on."""
    errors = [round_trip(problem, "naive", steps, "linspace") for steps in (25, 50, 100, 200)]
    orders = [math.log2(a / b) for a, b in pairwise(errors)]
    assert orders == pytest.approx([1, 1, 1], abs=0.12)
    assert orders[-1] == pytest.approx(1, abs=0.05)


def test_naive_inversion_of_a_gaussian_is_the_product_of_its_steps():
    """On N(0, s^2) every step is a factor: up (1 + r) g, down 1 - r with g = sqrt(1 + sigma^2)."""
    sigmas, std = (2.0, 0.7, 0.0), 0.5
    x0 = data(GAUSSIAN, 4)
    there = invert_with(GAUSSIAN.denoise, x0, sigmas, "naive", schemes.scheme("naive"))
    factor = 1.0
    for high, low in pairwise(sigmas):
        slope = high / (std**2 + high**2)  # of eps over x, in VE coordinates
        lifted = math.sqrt((1 + high**2) / (1 + low**2))
        factor *= (1 + (high - low) * slope * lifted) * (1 - (high - low) * slope)
    torch.testing.assert_close(regenerate_with(GAUSSIAN.denoise, there).latents, factor * x0)


def test_few_points_between_narrow_components_hide_the_first_order():
    """All but 1 % of the points come back to first order; those on the watershed do not."""
    lost = [losses(NARROW, "naive", steps)[0].sort().values for steps in (50, 100, 200)]
    most = [float(e[: int(0.99 * len(e))].square().mean().sqrt()) for e in lost]
    orders = [math.log2(a / b) for a, b in pairwise(most)]
    assert orders == pytest.approx([1, 1], abs=0.15)
    for gaps in lost:
        worst = gaps[int(0.99 * len(gaps)) :]
        assert worst.square().sum() > 0.6 * gaps.square().sum()


@pytest.mark.parametrize("problem", [NARROW, WIDE], ids=["narrow", "wide"])
def test_the_fixed_point_is_ten_times_closer_at_50_steps(problem):
    assert round_trip(problem, "fixed_point", 50) < 0.1 * round_trip(problem, "naive", 50)


@pytest.mark.parametrize("method", ["edict", "o_belm"])
@pytest.mark.parametrize("problem", [NARROW, WIDE], ids=["narrow", "wide"])
def test_the_exact_schemes_come_back(problem, method):
    assert round_trip(problem, method, 50) < 1e-10


def test_o_belm_goes_down_as_the_solver_does():
    """From the noise and where Euler's step leads from it."""
    sigmas = tuple(make("karras", SCHEDULE, 12, {}).tolist())
    x = data(GAUSSIAN, 8) / 0.5 * sigmas[0]
    slope = (x - GAUSSIAN.denoise(x, sigmas[0])) / sigmas[0]
    below = x + (sigmas[1] - sigmas[0]) * slope
    start = torch.cat((x, below))
    back = regenerate_with(GAUSSIAN.denoise, _at(start, sigmas, "o_belm"))
    end, asked = solvers()["o_belm"].solve(x, sigmas, None, GAUSSIAN.denoise)
    torch.testing.assert_close(back.latents, end, rtol=0, atol=1e-12)
    settings = DdimSettings(method="o_belm", num_steps=12)
    assert settings.evaluations() == 12 + len(asked) - 1  # the first is in the two points


def test_the_noise_that_o_belm_finds_is_of_second_order():
    """Against the ODE's own; naive's is of first."""

    def off(method, steps):
        x0 = data(GAUSSIAN, 256)
        sigmas = tuple(make("exponential", SCHEDULE, steps, {}).tolist())
        there = invert_with(GAUSSIAN.denoise, x0, sigmas, method, schemes.scheme(method))
        exact = x0 * math.sqrt(0.25 + sigmas[0] ** 2) / 0.5
        noise = there.scheme.first(there.states[0])
        return float((noise - exact).square().mean().sqrt() / sigmas[0])

    assert off("o_belm", 10) < 0.7 * off("naive", 10)
    assert off("o_belm", 20) < 0.4 * off("o_belm", 10)


def test_edict_without_mixing_tends_to_ddim():
    """With p = 1 both EDICT states follow DDIM, the closer the smaller the steps."""
    gaps = []
    for steps in (100, 400):
        sigmas = tuple(make("trailing", SCHEDULE, steps, {}).tolist())
        start = data(NARROW) / 0.25 * sigmas[0]
        plain = regenerate_with(NARROW.denoise, _at(start, sigmas, "naive"))
        both = regenerate_with(NARROW.denoise, _at(torch.cat((start, start)), sigmas, "edict"))
        gaps.append(float((plain.latents - both.latents).square().mean().sqrt()))
    assert gaps[1] < 0.5 * gaps[0]


def _at(start, sigmas, method):
    from sdlab.ddim.invert import Inversion

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

    @pytest.mark.parametrize("method", ["edict", "o_belm"])
    def test_the_exact_schemes_come_back(self, embedded, latents, method):
        there = invert(embedded, latents, self.PROMPT, method=method, num_steps=8)
        back = regenerate(embedded, there, self.PROMPT)
        table = errors(there, back)
        assert table["relative"].iloc[-1] < 1e-3
        assert table["rmse"].iloc[0] == 0

    @pytest.mark.every
    def test_each_scheme_is_closer_than_the_one_before(self, embedded, latents):
        gaps = []
        for method in schemes.METHODS[:3]:
            there = invert(embedded, latents, self.PROMPT, method=method, num_steps=10)
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
