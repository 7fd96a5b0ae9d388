"""The bench over flow matching's times: orders of theory from t = 1, exact truths, no NaN."""

import math

import numpy as np
import pytest
import torch

from sdlab import bench
from sdlab.bench.ready_solver import SharedNoise, enter
from sdlab.bench.response import exact_error
from sdlab.bench.truth import truth
from sdlab.bench.weak import error_of_moments
from sdlab.solvers.flow_course import flow_classes
from sdlab.solvers.registry import solvers
from tests.zoo.chosen import OWN, cases

ORDERS = [("euler", 1), ("ddim", 1), ("heun", 2), ("dpm_2", 2), ("dpmpp_2m", 2), ("unipc", 3)]


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["gaussian", "mixture_2d"])
@pytest.mark.parametrize(("name", "order"), ORDERS)
def test_orders_of_theory(name, order, problem):
    found = bench.order(name, problem=problem, path="flow")
    assert found.order == pytest.approx(order, abs=0.15)
    assert found.points >= 5 and found.note == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(flow_classes()))
def test_every_diffusers_scheduler_gets_better_with_steps(name):
    table = bench.errors(name, steps=(8, 128), path="flow")
    assert table["error"].notna().all()
    assert table["error"].iloc[1] < table["error"].iloc[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["euler", "heun"])
def test_diffusers_agree_with_ours(name):
    """Over the same times: even ones with a shift of 3, down to where diffusers' table ends."""
    theirs = f"FlowMatch{name.title()}DiscreteScheduler"
    for problem in ("gaussian", "mixture_2d"):
        other = bench.errors(theirs, problem=problem, steps=(32,), path="flow").iloc[0]
        end = 3 * 0.003 / (1 + 2 * 0.003)  # shifted twice
        u = np.linspace(1, end / (3 - 2 * end), 32)
        times = [*(3 * u / (1 + 2 * u)), 0.0]
        ours = bench.errors(
            name, problem=problem, steps=(32,), path="flow",
            curve="sigmas", curve_options={"sigmas": times},
        ).iloc[0]  # fmt: skip
        assert ours["error"] == pytest.approx(other["error"], rel=2e-2)
        assert ours["nfe"] == other["nfe"]


STOCHASTIC = sorted(
    name for name, s in solvers().items() if not s.deterministic and name != "edm_stochastic"
)


@pytest.mark.slow
@pytest.mark.parametrize("name", cases([n for n in STOCHASTIC if n != "lcm"], OWN))
def test_weak_errors_of_stochastic_solvers_fall(name):
    table = bench.errors(name, steps=(16, 64, 256), path="flow", end="sigma_min", curve="karras")
    assert set(table["measure"]) == {"weak"}
    assert (np.diff(table["error"]) < 0).all() and table["error"].iloc[-1] < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ddpm", "dpmpp_2m_sde", "euler_ancestral"])
def test_the_exact_weak_error_is_the_limit_of_many_samples(name):
    found = bench.problem("gaussian", "flow")
    entrant = enter(name, 8, path="flow")
    exact, nfe = exact_error(entrant, found, 0)
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(200_000, *found.shape, generator=generator, dtype=torch.float64)
    end, made = entrant.run(start, found.denoiser.denoise, SharedNoise(generator), None)
    sampled = error_of_moments(end, *found.moments(0.0))
    assert nfe == made and sampled.low <= exact.error <= sampled.high


@pytest.mark.parametrize("name", ["gaussian", "mixture_1d", "mixture_2d"])
def test_particles_start_as_noise_alone_and_end_on_the_data(name):
    found = bench.problem(name, "flow")
    real = truth(found, 1.0, 4000, 0)
    start, end = real.at(1.0), real.at(0.0)
    assert start.std() == pytest.approx(1.0, abs=0.05)
    mean, covariance = found.denoiser.moments()
    spread = math.sqrt(float(covariance.trace()) / len(mean))
    flat = end.reshape(len(end), -1)
    assert ((flat.mean(0) - mean).abs() < 6 * spread / math.sqrt(4000)).all()
    torch.testing.assert_close(flat.T.cov().reshape(covariance.shape), covariance, rtol=0, atol=0.1)


def test_rows_say_sigma_and_hold_no_nan():
    table = bench.errors(["heun", "FlowMatchEulerDiscreteScheduler"], steps=(8,), path="flow")
    assert list(table) == list(bench.COLUMNS)
    assert np.isposinf(table["start"]).all() and (table["end"] == 0).all()
    assert table["error"].notna().all()
    short = bench.errors("heun", steps=(8,), path="flow", end="sigma_min").iloc[0]
    assert short["end"] == pytest.approx(0.003 / 0.997, rel=5e-3)


def test_trajectories_are_in_the_paths_own_coordinates():
    table = bench.trajectories("heun", 12, particles=9, path="flow")
    assert len(table) == 9 * 13 and not table.isna().any().any()
    times = table.groupby("step")["flow_time"].first()
    assert times.iloc[0] == 1 and times.iloc[-1] == 0 and (np.diff(times) < 0).all()
    assert np.isposinf(table.loc[table["step"] == 0, "sigma"]).all()
    off = np.hypot(table["x"] - table["true_x"], table["y"] - table["true_y"])
    assert off[table["step"] == 0].max() == 0 and off[table["step"] == 12].median() < 0.1


def test_density_at_the_start_is_a_standard_normal():
    noisy = bench.density(sigma=math.inf, side=41, path="flow")
    radius = np.hypot(noisy["x"], noisy["y"])
    np.testing.assert_allclose(noisy["density"], np.exp(-(radius**2) / 2), rtol=1e-9)
    clean = bench.density(sigma=0.0, side=40, path="flow")
    np.testing.assert_allclose(clean["density"], bench.density(sigma=0.0, side=40)["density"])


def test_a_path_that_is_none_is_named():
    with pytest.raises(ValueError, match="Unknown path 'flows'"):
        bench.errors("euler", path="flows")
