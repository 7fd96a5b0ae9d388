"""Solvers against closed forms; test_parity_* hold them against other implementations."""

import numpy as np
import pytest
import torch

from sdlab.denoisers.gaussian import solution, solve
from sdlab.noise import curves
from sdlab.solvers.gaussian_law import law
from sdlab.solvers.randomness import Noise, Silence
from sdlab.solvers.registry import solvers

MEAN, STD = 0.3, 0.6
OWN = {n: s for n, s in solvers().items() if s.function.__module__.startswith("sdlab.")}


def start(seed=0, dtype=torch.float64):
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def error(name, num_steps, **options):
    """RMS distance to the exact solution from sigma 10 down to 0.1."""
    sigmas = curves.exponential(num_steps + 1, 0.1, 10.0)[:-1]
    x = start() * 10.0
    run = solvers()[name].function(x, tuple(sigmas.tolist()), Silence(), **options)
    end = solve(run, MEAN, STD)
    scale = np.sqrt((STD**2 + 0.01) / (STD**2 + 100.0))
    exact = MEAN + (x - MEAN) * scale
    return float((end - exact).square().mean().sqrt())


DECLARED = {name: found for name, found in OWN.items() if found.order is not None}
ELSEWHERE = ("lms", "dpmpp_2m", "ipndm_v")  # their own tests: their start shows for longer


@pytest.mark.parametrize(
    "name", [n for n, s in DECLARED.items() if s.deterministic and n not in ELSEWHERE]
)
def test_order_of_convergence(name):
    """Of every solver that declares one, also of a new one."""
    coarse, fine = error(name, 64), error(name, 128)
    assert np.log2(coarse / fine) == pytest.approx(DECLARED[name].order, abs=0.15)


@pytest.mark.parametrize(
    ("name", "options", "order"),
    [
        ("deis", {"order": 1}, 1),
        ("deis", {"order": 2}, 2),
        ("unipc", {"order": 1}, 2),
        ("unipc", {"order": 2, "variant": "bh1"}, 3),
        ("unipc", {"order": 3}, 4),
    ],
)
def test_order_of_options(name, options, order):
    coarse, fine = error(name, 64, **options), error(name, 128, **options)
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.15)


def variance_error(name, num_steps, **options):
    sigmas = tuple(curves.exponential(num_steps + 1, 0.1, 10.0)[:-1].tolist())
    mean, variance = law(solvers()[name], sigmas, mean=MEAN, std=STD, options=options)
    assert mean == pytest.approx(MEAN, abs=1e-12)
    return abs(variance - STD**2 - 0.01)


@pytest.mark.parametrize("name", [n for n, s in DECLARED.items() if not s.deterministic])
def test_weak_order_of_stochastic_solvers(name):
    coarse, fine = variance_error(name, 128), variance_error(name, 256)
    assert np.log2(coarse / fine) == pytest.approx(DECLARED[name].order, abs=0.15)


def test_what_declares_no_order_is_known():
    assert set(OWN) - set(DECLARED) == {"edm_stochastic", "lcm"}  # below


def test_edm_is_second_order_in_distribution_without_surplus_noise():
    errors = [variance_error("edm_stochastic", n, churn=10.0, s_noise=1.0) for n in (128, 256)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.15)
    assert variance_error("edm_stochastic", 1024) > 1e-3  # the default's s_noise of 1.003


def test_lcm_does_not_converge_on_what_is_not_distilled():
    assert variance_error("lcm", 512) > 0.1


def test_the_law_is_what_many_draws_have():
    sigmas = tuple(curves.karras(6, 0.1, 10.0).tolist())
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(1, 1, 300, 300, generator=generator, dtype=torch.float64)
    x = x * np.sqrt(100.0 + STD**2) + MEAN
    for name in ("dpmpp_sde", "euler_ancestral"):
        end = solve(solvers()[name].function(x, sigmas, Noise(generator)), MEAN, STD)
        mean, variance = law(solvers()[name], sigmas, mean=MEAN, std=STD)
        assert float(end.mean()) == pytest.approx(mean, abs=0.01)
        assert float(end.var()) == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize("order", [2, 3])
def test_order_of_lms(order):
    """Adams-Bashforth of order k needs k - 1 starting slopes; few first steps of lower order."""

    def run(num_steps):
        sigmas = tuple(np.linspace(10.0, 2.0, num_steps + 1).tolist())
        x = start() * 10.0
        end = solve(solvers()["lms"].function(x, sigmas, torch.zeros_like, order=order), MEAN, STD)
        exact = MEAN + (x - MEAN) * np.sqrt((STD**2 + 4.0) / (STD**2 + 100.0))
        return float((end - exact).square().mean().sqrt())

    assert np.log2(run(128) / run(256)) > 1.85


@pytest.mark.parametrize("name", ["dpm_2_ancestral", "dpmpp_2s_ancestral", "euler_ancestral"])
def test_ancestral_solvers_without_noise_are_their_ode_solvers(name):
    other = {"dpm_2_ancestral": "dpm_2", "euler_ancestral": "euler"}.get(name)
    sigmas = tuple(curves.karras(12, 0.03, 14.6).tolist())
    ancestral = solvers()[name].function(start() * 14.6, sigmas, torch.zeros_like, eta=0.0)
    end = solve(ancestral, MEAN, STD)
    if other:
        plain = solve(
            solvers()[other].function(start() * 14.6, sigmas, torch.zeros_like), MEAN, STD
        )
        torch.testing.assert_close(end, plain, rtol=0, atol=1e-12)
    else:  # DPM-Solver++(2S) has no deterministic twin here: second order by its error
        assert float((end - solution(start() * 14.6, 14.6, MEAN, STD)).abs().max()) < 0.05


def test_ddpm_is_ddim_with_full_eta():
    sigmas = tuple(curves.karras(10, 0.03, 14.6).tolist())
    ends = []
    for name, options in (("ddpm", {}), ("ddim", {"eta": 1.0})):
        noise = Noise(torch.Generator().manual_seed(3))
        generator = solvers()[name].function(start() * 14.6, sigmas, noise, **options)
        ends.append(solve(generator, MEAN, STD))
    torch.testing.assert_close(*ends, rtol=0, atol=1e-12)


def test_edm_without_churn_is_heun():
    sigmas = tuple(curves.karras(10, 0.03, 14.6).tolist())
    edm = solvers()["edm_stochastic"].function(start() * 14.6, sigmas, None, churn=0.0)
    heun = solvers()["heun"].function(start() * 14.6, sigmas, None)
    torch.testing.assert_close(solve(edm, MEAN, STD), solve(heun, MEAN, STD), rtol=0, atol=1e-12)


def test_deis_of_order_1_is_ddim():
    sigmas = tuple(curves.karras(10, 0.03, 14.6).tolist())
    deis = solvers()["deis"].function(start() * 14.6, sigmas, None, order=1)
    ddim = solvers()["ddim"].function(start() * 14.6, sigmas, None)
    torch.testing.assert_close(solve(deis, MEAN, STD), solve(ddim, MEAN, STD), rtol=0, atol=1e-12)


def test_plms_averages_its_first_step_and_asks_once_more_than_its_steps():
    sigmas = (8.0, 4.0, 2.0, 1.0, 0.0)
    plms = solvers()["plms"]
    asked = plms.asked_sigmas(sigmas, {})
    assert asked == [8.0, 4.0, 4.0, 2.0, 1.0]
    assert [plms.step_of(e, 4) for e in range(5)] == [0, 0, 1, 2, 3]
    first = solve(plms.function(start() * 8.0, sigmas[:2], None), MEAN, STD)
    heun = solve(solvers()["heun"].function(start() * 8.0, sigmas[:2], None), MEAN, STD)
    torch.testing.assert_close(first, heun, rtol=0, atol=1e-12)


def test_heunpp2_counts_its_short_last_steps():
    found = solvers()["heunpp2"]
    for num_steps, expected in ((4, [0, 0, 0, 1, 1, 1, 2, 2, 3]), (2, [0, 0, 1]), (1, [0])):
        sigmas = tuple(curves.karras(num_steps, 0.03, 14.6).tolist())
        asked = found.asked_sigmas(sigmas, {})
        assert [found.step_of(e, num_steps) for e in range(len(asked))] == expected


def test_restart_goes_down_again_for_the_evaluations_of_heun():
    sigmas = (8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.05, 0.0)
    restart = solvers()["restart"]
    first = [8.0, 4.0, 4.0, 2.0, 2.0, 0.5, 0.5, 0.1]
    second = [2.0, 0.5, 0.5, 0.1, 0.1, 0.05, 0.05]
    asked = restart.asked_sigmas(sigmas, {})
    assert asked == first + second and len(asked) == 2 * 8 - 1
    assert len(restart.asked_sigmas(sigmas, {"restarts": 100})) == 2 * 8 - 1
    x = start() * 8.0
    ends = [
        solve(solvers()[n].function(x, sigmas, None, **options), MEAN, STD)
        for n, options in (("restart", {"restarts": 0}), ("heun", {}))
    ]
    torch.testing.assert_close(*ends, rtol=0, atol=0)


def test_restart_keeps_the_spread_of_the_data():
    sigmas = tuple(curves.exponential(200, 0.01, 20.0).tolist())
    mean, variance = law(solvers()["restart"], sigmas, mean=MEAN, std=STD)
    assert mean == pytest.approx(MEAN, abs=1e-6)
    assert variance == pytest.approx(STD**2, rel=0.01)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("res_2s", {"c": 1.5}, "c of solver 'res_2s' must be above 0 and at most 1, got 1.5"),
        ("ipndm", {"order": 5}, "order of solver 'ipndm' must be from 1 to 4, got 5"),
        ("ipndm_v", {"order": 5}, "order of solver 'ipndm_v' must be from 1 to 4, got 5"),
        ("er_sde", {"order": 4}, "order of solver 'er_sde' must be from 1 to 3, got 4"),
        ("er_sde", {"scale": "sde_6"}, "scale of solver 'er_sde'.*Did you mean 'sde_5'"),
        ("restart", {"s_min": 3.0}, "s_min of solver 'restart' must be above 0 and below s_max"),
        ("restart", {"restarts": -1}, "restarts of solver 'restart' must be at least 0, got -1"),
    ],
)
def test_options_out_of_range_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        solvers()[name].asked_sigmas((2.0, 1.0, 0.0), options)


def test_gradient_estimation_with_three_halves_is_ipndm_of_order_2():
    sigmas = tuple(curves.karras(10, 0.03, 14.6).tolist())
    ends = [
        solve(solvers()[n].function(start() * 14.6, sigmas, None, **options), MEAN, STD)
        for n, options in (("gradient_estimation", {"gamma": 1.5}), ("ipndm", {"order": 2}))
    ]
    torch.testing.assert_close(*ends, rtol=0, atol=1e-12)


def test_er_sde_of_order_1_without_noise_is_ddim():
    sigmas = tuple(curves.karras(10, 0.03, 14.6).tolist())
    ends = [
        solve(solvers()[n].function(start() * 14.6, sigmas, None, **options), MEAN, STD)
        for n, options in (("er_sde", {"scale": "ode", "order": 1}), ("ddim", {}))
    ]
    torch.testing.assert_close(*ends, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", ["sde", "sde_1", "sde_2", "sde_3", "sde_4", "sde_5"])
def test_every_scale_of_er_sde_keeps_the_spread(scale):
    errors = [variance_error("er_sde", n, scale=scale) for n in (32, 64)]
    assert errors[1] < errors[0] and errors[1] < 0.01


@pytest.mark.parametrize("name", ["unipc", "deis", "dpmpp_3m_sde", "sa_solver", "o_belm"])
def test_multistep_solvers_ask_once_a_step(name):
    assert solvers()[name].asked_sigmas((8.0, 4.0, 2.0, 1.0, 0.0), {}) == [8.0, 4.0, 2.0, 1.0]


def test_sde_solver_without_noise_is_dpmpp_2m():
    sigmas = tuple(curves.karras(10, 0.03, 14.6).tolist())
    sde = solvers()["dpmpp_2m_sde"].function(start() * 14.6, sigmas, None, eta=0.0)
    ode = solvers()["dpmpp_2m"].function(start() * 14.6, sigmas, None)
    torch.testing.assert_close(solve(sde, MEAN, STD), solve(ode, MEAN, STD), rtol=0, atol=1e-12)


def test_order_of_dpmpp_2m():
    # Its first step is first order, so the fit is taken at smaller steps.
    assert np.log2(error("dpmpp_2m", 256) / error("dpmpp_2m", 512)) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("name", sorted(solvers()))
def test_reaches_the_mean_of_a_point(name):
    """On data that is one point every solver must end there, stochastic or not."""
    sigmas = tuple(curves.karras(10, 0.03, 14.6).tolist())
    end = solve(solvers()[name].function(start() * 14.6, sigmas, Noise()), MEAN, 0.0)
    torch.testing.assert_close(end, torch.full_like(end, MEAN), rtol=0, atol=1e-12)


def test_ddim_without_eta_is_euler():
    sigmas = tuple(curves.karras(10, 0.03, 14.6).tolist())
    ends = [
        solve(solvers()[n].function(start() * 14.6, sigmas, torch.zeros_like), MEAN, STD)
        for n in ("ddim", "euler")
    ]
    torch.testing.assert_close(*ends, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ddim", {"eta": 1.0}),
        ("ddpm", {}),
        ("euler_ancestral", {}),
        ("dpm_2_ancestral", {}),
        ("dpmpp_2s_ancestral", {}),
        ("edm_stochastic", {"s_noise": 1.0}),
    ],
)
def test_stochastic_solvers_keep_the_spread_of_the_data(name, options):
    """Noise must come back in as it goes out: many small stochastic steps keep the variance.

    The SDE solvers' spread is measured exactly, by their law.
    """
    sigmas = tuple(curves.exponential(200, 0.01, 20.0).tolist())
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 1, 100, 100, generator=generator, dtype=torch.float64) * 20.0 + MEAN
    end = solve(solvers()[name].function(x, sigmas, Noise(generator), **options), MEAN, STD)
    assert float(end.std()) == pytest.approx(STD, rel=0.03)
    assert float(end.mean()) == pytest.approx(MEAN, abs=0.03)


def test_solution_is_the_limit():
    x = start() * 14.6
    sigmas = tuple(curves.karras(4000, 1e-3, 14.6).tolist())
    end = solve(solvers()["heun"].function(x, sigmas, torch.zeros_like), MEAN, STD)
    torch.testing.assert_close(end, solution(x, 14.6, MEAN, STD), rtol=0, atol=1e-5)
