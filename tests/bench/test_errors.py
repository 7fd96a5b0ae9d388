"""The table of errors: what is in it, its floors, weak errors, bad input, user's own solvers."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

import sdlab
from sdlab import bench
from sdlab.bench.ready_solver import SharedNoise, enter, is_stochastic, schedule
from sdlab.bench.response import exact_error
from sdlab.bench.weak import moment_error
from sdlab.solvers import registry
from sdlab.solvers.from_diffusers import compatible_classes
from tests.zoo.chosen import THEIRS, cases


@pytest.fixture
def own():
    """A user's solver, gone again after the test."""

    @sdlab.solver("users_own", order=1)
    def users_own(x, sigmas, noise):
        for sigma, sigma_next in pairwise(sigmas):
            x0_pred = yield x, sigma
            x = x0_pred + (x - x0_pred) * sigma_next / sigma
        return x

    yield "users_own"
    del registry._SOLVERS["users_own"]


def test_a_row_for_every_solver_and_step_count(own):
    seen = []
    table = bench.errors(
        ["heun", own, "EulerDiscreteScheduler"],
        problem="mixture_2d",
        steps=(20, 10),
        curve="karras",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert list(table.columns) == list(bench.COLUMNS)
    assert table["num_steps"].tolist() == [10, 20] * 3
    assert table["nfe"].tolist() == [19, 39, 10, 20, 10, 20]
    assert seen[-1] == (6, 6) and len(seen) == 6
    assert set(table["measure"]) == {"strong"} and set(table["note"]) == {""}
    assert (table["seconds"] > 0).all() and (table["end"] == 0).all()
    own_errors = table.loc[table["solver"] == own, "error"]
    assert own_errors.iloc[1] < own_errors.iloc[0]


def test_same_seed_same_table():
    a, b = (bench.errors(["euler", "ddpm"], problem="mixture_1d", steps=(6,)) for _ in range(2))
    assert a.drop(columns="seconds").equals(b.drop(columns="seconds"))


def test_euler_is_ddim_whatever_their_code():
    table = bench.errors(["euler", "ddim"], problem="mixture_2d", curve="karras", steps=(8, 64))
    ours, theirs = (table.loc[table["solver"] == n, "error"].to_numpy() for n in ("euler", "ddim"))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize(
    "name", ["EulerDiscreteScheduler", "DDIMScheduler", "LMSDiscreteScheduler"]
)
def test_diffusers_agree_with_ours_in_their_own_coordinates(name):
    """VE or VP inside, the same steps from the same particles give the same error."""
    ours = {"EulerDiscreteScheduler": "euler", "DDIMScheduler": "ddim"}.get(name, "lms")
    options = {"DDIMScheduler": {"set_alpha_to_one": True}} if ours == "ddim" else None
    table = bench.errors([name, ours], curve="leading", steps=(10, 40), options=options)
    theirs, own = (table.loc[table["solver"] == n] for n in (name, ours))
    for column in ("error", "floor"):  # theirs step in float32
        both = theirs[column].to_numpy(), own[column].to_numpy()
        np.testing.assert_allclose(*both, rtol=2e-4, atol=5e-7)
    assert own["floor"].isna().all() == (ours == "lms")


@pytest.mark.parametrize("name", cases(sorted(compatible_classes()), THEIRS))
def test_every_diffusers_scheduler_gets_better_with_steps(name):
    if name in ("LCMScheduler", "TCDScheduler"):
        table = bench.errors(name, steps=(8, 32))
        assert table["error"].notna().all()  # made for distilled networks, not for this ODE
        return
    table = bench.errors(name, steps=(8, 32), particles=1024)
    assert table["error"].iloc[1] < 0.7 * table["error"].iloc[0]
    assert table["error"].iloc[1] < 0.35


def test_the_floor_is_the_last_jumps():
    """On a Gaussian it is sqrt(1 + sigma^2 / s^2) - 1 along each axis."""
    table = bench.errors("heun", curve="karras", steps=(512,))
    row, data = table.iloc[0], bench.problem("gaussian").denoiser
    levels = data.std**2 / (data.std**2 + schedule().sigma_min ** 2)
    theory = float((data.std**2 * (1 - levels.sqrt()) ** 2).sum().sqrt() / data.std.norm())
    assert row["floor"] == pytest.approx(theory, rel=0.1)  # 512 particles, not all of them
    assert 1e-3 < row["floor"] < 2e-3
    assert row["error"] == pytest.approx(row["floor"], rel=0.02)
    open_end = bench.errors("heun", curve="karras", steps=(512,), end="sigma_min").iloc[0]
    assert open_end["error"] < 1e-4 and math.isnan(open_end["floor"])
    assert open_end["end"] == pytest.approx(schedule().sigma_min)


def test_who_extrapolates_to_zero_has_no_floor():
    names = ["lms", "plms", "LMSDiscreteScheduler", "heun", "EulerDiscreteScheduler"]
    table = bench.errors(names, curve="linspace", steps=(64,)).set_index("solver")
    assert table["floor"].isna().tolist() == [True, True, True, False, False]
    assert table.loc["lms", "error"] < 0.5 * table.loc["heun", "floor"]


def test_perfect_samples_show_no_more_than_chance():
    found = bench.problem("mixture_2d")
    inside, ratios = 0, []
    for seed in range(60):
        draws = found.denoiser.sample(500, torch.Generator().manual_seed(seed))
        weak = moment_error(draws, found.denoiser)
        ratios.append(weak.error / weak.chance)
        inside += weak.low < 2.5 * weak.chance
    assert np.sqrt(np.mean(np.square(ratios))) == pytest.approx(1, abs=0.25)
    assert inside >= 58


def test_weak_error_of_a_shifted_cloud_is_its_shift():
    found = bench.problem("gaussian")
    draws = found.denoiser.sample(200_000, torch.Generator().manual_seed(0)) + 0.2
    expected = 0.2 * math.sqrt(2) / float(found.denoiser.std.norm())
    weak = moment_error(draws, found.denoiser)
    shifted = 0.04 * 2 / float((found.denoiser.std**2).norm())  # the covariance about the mean
    assert weak.error == pytest.approx(math.hypot(expected, shifted), rel=0.02)
    assert weak.low < weak.error < weak.high


@pytest.mark.parametrize("name", ["ddpm", "dpmpp_sde", "dpmpp_2m_sde", "edm_stochastic"])
def test_exact_weak_error_is_the_limit_of_many_samples(name):
    found = bench.problem("gaussian")
    entrant = enter(name, 8, curve="karras")
    exact, nfe = exact_error(entrant, found, 0)
    generator = torch.Generator().manual_seed(1)
    x = found.denoiser.sample(200_000, generator)
    x = x + entrant.start * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    x_end, made = entrant.run(x, found.denoiser.denoise, SharedNoise(generator), None)
    sampled = moment_error(x_end, found.denoiser)
    assert nfe == made
    assert abs(exact.error - sampled.error) < 4 * sampled.chance


def test_exact_weak_error_needs_an_affine_solver():
    @sdlab.solver("bent", deterministic=False)
    def bent(x, sigmas, noise):
        for sigma, sigma_next in pairwise(sigmas):
            x0_pred = yield x, sigma
            x = x0_pred + sigma_next * noise(x).tanh() * x.abs().clamp(max=1)
        return x

    try:
        assert exact_error(enter("bent", 4), bench.problem("gaussian"), 0) is None
        row = bench.errors("bent", steps=(4,), particles=256).iloc[0]
        assert row["measure"] == "weak" and row["chance"] > 0
    finally:
        del registry._SOLVERS["bent"]


def test_shared_noise_walks_a_brownian_motion():
    noise = SharedNoise(torch.Generator().manual_seed(0))
    x = torch.zeros(50_000, 1, 1, 1, dtype=torch.float64)
    middle, whole = noise.between(x, 2.0, 1.0), noise.between(x, 2.0, 0.5)
    rest = noise.between(x, 1.0, 0.5)
    for draw in (middle, whole, rest):
        assert float(draw.std()) == pytest.approx(1, abs=0.02)
    taus = np.array([2.0, 1.0, 0.5]) ** -2.0
    joined = middle * math.sqrt(taus[1] - taus[0]) + rest * math.sqrt(taus[2] - taus[1])
    torch.testing.assert_close(whole, joined / math.sqrt(taus[2] - taus[0]))
    assert abs(float((middle * rest).mean())) < 0.02
    between = noise.between(x, 1.5, 1.0)  # a bridge inside what is known
    assert float(between.std()) == pytest.approx(1, abs=0.02)


def test_what_draws_noise_is_found_out():
    assert not is_stochastic("heun") and is_stochastic("dpmpp_2m_sde")
    assert not is_stochastic("ddim") and is_stochastic("ddim", {"eta": 0.5})
    assert is_stochastic("DDIMScheduler", {"eta": 0.5}) and not is_stochastic("DDIMScheduler")
    assert is_stochastic("DDPMScheduler")


def test_a_refused_step_count_is_told_in_its_row():
    table = bench.errors("euler", steps=(10, 2000), curve="leading")
    assert table["error"].notna().tolist() == [True, False]
    assert "num_steps must be from 1 to 1000" in table["note"].iloc[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": "hein"}, "Unknown solver 'hein'. Did you mean 'heun'"),
        ({"names": "heun", "problem": "gauss"}, "Unknown problem 'gauss'. Did you mean 'gaussian'"),
        ({"names": "heun", "curve": "karas"}, "Unknown curve 'karas'"),
        ({"names": "heun", "end": "one"}, "Unknown end 'one'"),
        ({"names": "heun", "steps": ()}, "steps must be whole numbers"),
        ({"names": "heun", "steps": (0, 4)}, "steps must be a whole number from 1 to 10000, got 0"),
        ({"names": "heun", "options": {"heun": {"eta": 1}}}, "option of solver 'heun'"),
        ({"names": "DDIMScheduler", "curve": "karras"}, "curve for DDIMScheduler"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        bench.errors(**arguments)


def test_an_argument_that_is_none_is_named():
    with pytest.raises(TypeError, match=r"argument of errors\(\) 'curv'. Did you mean 'curve'"):
        bench.errors("heun", curv="karras")
    with pytest.raises(TypeError, match=r"Valid: curve, curve_options, end, names, options, parti"):
        bench.errors("heun", fast=True)


def test_problems_are_listed():
    table = bench.problems()
    assert set(table["dimension"]) == {1, 2, 256, 768}
    assert table.loc[table["closed_form"], "problem"].tolist() == ["gaussian"]
    for name in table["problem"]:
        found = bench.problem(name)
        x = found.denoiser.sample(3, torch.Generator().manual_seed(0))
        assert x.shape == (3, *found.shape) and x.dtype == torch.float64


@pytest.mark.parametrize("name", ["mixture_1d", "mixture_image", "pictures"])
def test_solvers_converge_on_every_problem(name):
    table = bench.errors(
        "dpmpp_2m", problem=name, curve="karras", steps=(16, 64), end="sigma_min", particles=16
    )
    assert table["error"].iloc[1] < 0.4 * table["error"].iloc[0]
