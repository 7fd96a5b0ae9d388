"""Flow matching there and back: exact data in float64, and a tiny Stable Diffusion 3."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from sdlab import bench
from sdlab.ddim import eta
from sdlab.ddim.invert import errors, step_errors
from sdlab.ddim.schemes import METHODS
from sdlab.ddim.settings import DdimSettings
from sdlab.ddim.study import there_and_back
from sdlab.ddim.velocity import denoiser_of, invert_flow, regenerate_flow
from sdlab.denoisers.on_flow import on_flow
from sdlab.models.model import Model
from sdlab.noise.flow import sigma_to_time
from sdlab.noise.schedule import FlowTimes, NoiseSchedule
from sdlab.work import finish
from tests import flow

DATA = {name: bench.problem(name, "flow").denoiser for name in ("gaussian", "mixture_2d")}
SHIFTED = FlowTimes(1000, 3.0)


def data(name, count=512):
    return DATA[name].sample(count, torch.Generator().manual_seed(0))


def round_trip(name, method, steps, times=SHIFTED):
    x0, velocity = data(name), DATA[name].velocity
    there = invert_flow(velocity, x0, DdimSettings(method=method, num_steps=steps), times)
    back = regenerate_flow(velocity, there)
    return float(((back.latents - x0).square().mean() / x0.square().mean()).sqrt())


@pytest.mark.parametrize("name", DATA)
def test_naive_inversion_is_first_order(name):
    lost = [round_trip(name, "naive", steps) for steps in (50, 100, 200)]
    assert [math.log2(a / b) for a, b in pairwise(lost)] == pytest.approx([1, 1], abs=0.12)


@pytest.mark.parametrize("name", DATA)
def test_the_fixed_point_and_the_exact_scheme_come_back(name):
    naive, fixed = (round_trip(name, method, 50) for method in ("naive", "fixed_point"))
    assert fixed < 1e-3 * naive
    assert round_trip(name, "edict", 50) < 1e-12
    assert round_trip(name, "o_belm", 50) < 1e-10


def test_naive_inversion_of_a_gaussian_is_the_product_of_its_steps():
    """On N(0, s^2) v = r x: up 1 + (t' - t) r(t'), down 1 - (t' - t) r(t')."""
    std = 0.5
    problem = bench.problem("gaussian").denoiser
    centred = type(problem)(torch.zeros(2, 1, 1).double(), torch.full((2,), std).double())
    velocity = on_flow(centred).velocity
    x0 = centred.sample(4, torch.Generator().manual_seed(0))
    settings = DdimSettings(
        method="naive", num_steps=3, curve="sigmas", curve_options={"sigmas": [1.0, 0.6, 0.2, 0]}
    )
    there = invert_flow(velocity, x0, settings)
    factor = 1.0
    for high, low in pairwise((1.0, 0.6, 0.2, 0.0)):
        gain = (1 - high) * std**2 / ((1 - high) ** 2 * std**2 + high**2)
        slope = (1 - gain) / high  # of v over x
        factor *= (1 + (high - low) * slope) * (1 - (high - low) * slope)
    torch.testing.assert_close(regenerate_flow(velocity, there).latents, factor * x0)


@pytest.mark.parametrize("name", DATA)
@pytest.mark.every
def test_the_noise_found_is_standard_normal_and_the_odes(name):
    x0 = data(name, 4096)
    settings = DdimSettings(method="fixed_point", num_steps=200, iterations=20)
    noise = invert_flow(DATA[name].velocity, x0, settings, SHIFTED).noise
    assert noise.std() == pytest.approx(1.0, abs=0.03)
    assert noise.mean() == pytest.approx(0.0, abs=0.05)
    if name == "gaussian":
        torch.testing.assert_close(noise, DATA[name].flow(x0, 0.0, 1.0), rtol=0, atol=0.06)


@pytest.mark.parametrize("method", METHODS)
def test_errors_stand_on_the_axis_of_all_runs(method):
    x0, velocity = data("mixture_2d", 8), DATA["mixture_2d"].velocity
    there = invert_flow(velocity, x0, DdimSettings(method=method, num_steps=6), SHIFTED)
    table = errors(there, regenerate_flow(velocity, there))
    alone = finish(step_errors(denoiser_of(velocity), there), None)
    assert len(table) == 7 and len(alone) == 6
    for found in (table, alone):
        assert found[["sigma", "rmse", "flow_time"]].notna().all(axis=None)
        np.testing.assert_allclose(sigma_to_time(found["sigma"]), found["flow_time"])
    assert table["flow_time"].iloc[0] == 1 and np.isposinf(table["sigma"].iloc[0])
    assert there.path.shape == (7, *x0.shape) and torch.equal(there.path[-1], x0)
    if method == "naive":
        assert (alone["rmse"] > 1e-6).all()
    else:
        assert alone["rmse"].max() < (1e-1 if method == "fixed_point" else 1e-12)


class TestOnATinyStableDiffusion3:
    @pytest.fixture(scope="class")
    def pipe(self):
        return flow.sd3(shift=3.0)

    def velocity(self, pipe, seed=0):
        generator = torch.Generator().manual_seed(seed)
        words = torch.randn(1, 7, 32, generator=generator)
        pooled = torch.randn(1, 64, generator=generator)

        def predict(x, time):
            with torch.no_grad():
                return pipe.transformer(
                    x,
                    timestep=torch.full((len(x),), 1000.0 * time),
                    encoder_hidden_states=words.expand(len(x), -1, -1),
                    pooled_projections=pooled.expand(len(x), -1),
                    return_dict=False,
                )[0]

        return predict

    def trip(self, pipe, method, steps=20):
        x0 = 0.5 * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
        times = FlowTimes.of_config(pipe.scheduler.config, 16)
        there = invert_flow(
            self.velocity(pipe), x0, DdimSettings(method=method, num_steps=steps), times
        )
        return x0, there, regenerate_flow(self.velocity(pipe), there)

    def test_each_scheme_is_closer_than_the_one_before(self, pipe):
        lost = []
        for method in ("naive", "fixed_point", "edict"):
            x0, _, back = self.trip(pipe, method)
            lost.append(float((back.latents - x0).square().mean().sqrt()))
        assert lost[0] > lost[1] and lost[1] < 1e-4 and lost[2] < 1e-4

    def test_the_way_down_is_what_the_pipeline_draws(self, pipe):
        """From the noise found, by diffusers' own scheduler over the same times."""
        x0, there, back = self.trip(pipe, "naive")
        scheduler = type(pipe.scheduler)(shift=1.0)
        scheduler.set_timesteps(sigmas=list(there.sigmas[:-1]))
        x, predict = there.noise, self.velocity(pipe)
        for timestep in scheduler.timesteps:
            v = predict(x, float(timestep) / 1000)
            x = scheduler.step(v, timestep, x, return_dict=False)[0]
        torch.testing.assert_close(x, back.latents, rtol=1e-4, atol=1e-4)

    def test_there_and_back_with_a_model(self, pipe):
        model = Model(pipe, name="tiny")
        x0 = 0.5 * torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(1))
        settings = DdimSettings("a car", method="fixed_point", num_steps=4)
        outcome = finish(there_and_back(model, x0, settings), None)
        assert outcome.rmse < 1e-3
        assert outcome.errors["flow_time"].iloc[0] == 1
        edited = finish(there_and_back(model, x0, settings, edit="a bus", by_step=True), None)
        assert edited.rmse > outcome.rmse
        assert len(edited.step_errors) == 4


def test_a_path_that_is_none_is_named():
    with pytest.raises(ValueError, match="Unknown path 'flows'"):
        DdimSettings().scheme("flows")


@pytest.mark.parametrize("time_type", ["exponential", "linear"])
def test_the_times_of_a_config_are_its_own(time_type):
    config = {"shift": 3.0, "use_dynamic_shifting": True, "time_shift_type": time_type}
    shift = math.exp(1.15) if time_type == "exponential" else 1.15
    times = FlowTimes.of_config(config, 4096)
    np.testing.assert_allclose(times.sigma, FlowTimes(1000, shift).sigma)
    np.testing.assert_allclose(
        FlowTimes.of_config({"shift": 3.0}, 1).sigma, FlowTimes(1000, 3.0).sigma
    )


def test_eta_over_times():
    """Without noise the fan's first row is DDIM; from t = 1 nothing is injected."""
    start = torch.randn(1, 2, 1, 1, generator=torch.Generator().manual_seed(0)).double()
    times = tuple(np.linspace(1.0, 0.0, 21).tolist())
    found = DATA["gaussian"]
    drawn = finish(eta.fan(found.denoise, start, times, (0.0, 1.0), (0, 1, 2), "flow"), None)
    assert drawn.latents.isfinite().all()
    assert drawn.spread()["std"].iloc[0] == 0 < drawn.spread()["std"].iloc[1]
    exact = found.flow(start, 1.0, 0.0)
    torch.testing.assert_close(
        drawn.latents[0, 0], exact[0].to(drawn.latents.dtype), atol=0.1, rtol=0
    )
    sigmas = (math.inf, 3.0, 1.0, 0.0)
    table = eta.injected(sigmas, (1.0,))
    assert table["eta_std"].tolist() == pytest.approx([0.0, math.sqrt(8) / 3, 0.0])
    of_x = eta.injected(sigmas, (1.0,), "flow")["eta_std_flow"]  # t 0.75 to 0.5: x_t has (1 - t) x0
    assert of_x.tolist() == pytest.approx([0.0, math.sqrt(8) / 6, 0.0])
    assert "eta_std_vp" not in eta.injected(sigmas, (1.0,), "flow")
    terms = eta.coefficients(sigmas, NoiseSchedule.flow_matching(), 1.0)
    assert terms.notna().all(axis=None) and terms["timestep"].iloc[0] == 1000
