"""Solvers against closed forms, and against diffusers where conventions agree."""

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LMSDiscreteScheduler,
)

from sdlab.denoisers.gaussian import denoise, solution, solve
from sdlab.noise import NoiseSchedule, curves
from sdlab.sampling.process import Answer, solver_process
from sdlab.solvers import diffusers_adapter as adapter
from sdlab.solvers.registry import solvers

SD = {**adapter.SD_CONFIG, "set_alpha_to_one": True}
SCHEDULE = NoiseSchedule.from_config(SD)
MEAN, STD = 0.3, 0.6


def start(seed=0, dtype=torch.float64):
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def error(name, num_steps):
    """RMS distance to the exact solution from sigma 10 down to 0.1."""
    sigmas = curves.exponential(num_steps + 1, 0.1, 10.0)[:-1]
    x = start() * 10.0
    end = solve(solvers()[name].function(x, tuple(sigmas.tolist()), torch.zeros_like), MEAN, STD)
    scale = np.sqrt((STD**2 + 0.01) / (STD**2 + 100.0))
    exact = MEAN + (x - MEAN) * scale
    return float((end - exact).square().mean().sqrt())


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("ddim", 1), ("heun", 2), ("dpm_2", 2)])
def test_order_of_convergence(name, order):
    coarse, fine = error(name, 64), error(name, 128)
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.15)
    assert solvers()[name].order == order


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
        generator = solvers()[name].function(start() * 14.6, sigmas, Noise(3), **options)
        ends.append(solve(generator, MEAN, STD))
    torch.testing.assert_close(*ends, rtol=0, atol=1e-12)


def test_edm_without_churn_is_heun():
    sigmas = tuple(curves.karras(10, 0.03, 14.6).tolist())
    edm = solvers()["edm_stochastic"].function(start() * 14.6, sigmas, None, churn=0.0)
    heun = solvers()["heun"].function(start() * 14.6, sigmas, None)
    torch.testing.assert_close(solve(edm, MEAN, STD), solve(heun, MEAN, STD), rtol=0, atol=1e-12)


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
    end = solve(solvers()[name].function(start() * 14.6, sigmas, torch.randn_like), MEAN, 0.0)
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
        ("dpmpp_2m_sde", {}),
        ("edm_stochastic", {"s_noise": 1.0}),
    ],
)
def test_stochastic_solvers_keep_the_spread_of_the_data(name, options):
    """Noise must come back in as it goes out: many small stochastic steps keep the variance."""
    sigmas = tuple(curves.exponential(200, 0.01, 20.0).tolist())
    generator = torch.Generator().manual_seed(1)

    def noise(x):
        return torch.randn(x.shape, generator=generator, dtype=x.dtype)

    x = torch.randn(1, 1, 100, 100, generator=generator, dtype=torch.float64) * 20.0 + MEAN
    end = solve(solvers()[name].function(x, sigmas, noise, **options), MEAN, STD)
    assert float(end.std()) == pytest.approx(STD, rel=0.03)
    assert float(end.mean()) == pytest.approx(MEAN, abs=0.03)


class Noise:
    """The noise that a diffusers scheduler would draw."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, x):
        return torch.randn(x.shape, generator=self.generator, dtype=x.dtype)


def exact(query):
    scale = (1.0 + query.sigma**2) ** 0.5
    x = query.x_t.double() * scale
    x0_pred = denoise(x, query.sigma, MEAN, STD)
    return Answer((x - x0_pred) / query.sigma, x0_pred)


def diffusers_result(cls, num_steps, eta=None, **options):
    scheduler = cls.from_config(SD, **options)
    scheduler.set_timesteps(num_steps)
    process = adapter.scheduler_process(
        scheduler,
        start(),
        steps=adapter.evaluation_steps(scheduler, num_steps),
        sigmas=adapter.evaluation_sigmas(scheduler, SCHEDULE),
        eta=eta,
        generator=torch.Generator().manual_seed(5),
    )
    return adapter.drive(process, exact)


def our_result(name, cls, num_steps, scheduler_options=None, **options):
    """Our solver over the very sigmas that the scheduler visits, whatever its spacing."""
    scheduler = cls.from_config(SD, **(scheduler_options or {}))
    scheduler.set_timesteps(num_steps)
    visited = adapter.evaluation_sigmas(scheduler, SCHEDULE)
    sigmas = (*sorted(set(visited), reverse=True), 0.0)
    process = solver_process(solvers()[name], options, start(), sigmas, Noise(5), SCHEDULE)
    return adapter.drive(process, exact)


# diffusers keeps alphas_cumprod and sigmas in float32, hence tolerances of 1e-4.
@pytest.mark.parametrize("num_steps", [5, 10, 20])
@pytest.mark.parametrize(
    ("name", "cls", "options"),
    [
        ("euler", EulerDiscreteScheduler, {}),
        ("heun", HeunDiscreteScheduler, {}),
        ("dpmpp_2m", DPMSolverMultistepScheduler, {"final_sigmas_type": "zero"}),
        ("ddim", DDIMScheduler, {}),
        ("lms", LMSDiscreteScheduler, {}),
    ],
)
def test_matches_diffusers(name, cls, options, num_steps):
    theirs = diffusers_result(cls, num_steps, **options).double()
    ours = our_result(name, cls, num_steps, options).double()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_noise_matches_diffusers(eta):
    theirs = diffusers_result(DDIMScheduler, 10, eta=eta).double()
    ours = our_result("ddim", DDIMScheduler, 10, eta=eta).double()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3)


def test_euler_ancestral_matches_diffusers():
    theirs = diffusers_result(EulerAncestralDiscreteScheduler, 10).double()
    ours = our_result("euler_ancestral", EulerAncestralDiscreteScheduler, 10).double()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3)


def test_solution_is_the_limit():
    x = start() * 14.6
    sigmas = tuple(curves.karras(4000, 1e-3, 14.6).tolist())
    end = solve(solvers()["heun"].function(x, sigmas, torch.zeros_like), MEAN, STD)
    torch.testing.assert_close(end, solution(x, 14.6, MEAN, STD), rtol=0, atol=1e-5)
