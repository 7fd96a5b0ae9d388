"""The forward process on a picture: levels, noise and views."""

import math

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch.testing import assert_close

import sdlab
from sdlab.embedded.samples import sample_picture
from sdlab.latents.film import quantity
from sdlab.latents.noised import noised, start_noise, to_picture, to_pixels, visited
from sdlab.noise.flow import time_to_sigma
from sdlab.runs.trace import Trace
from sdlab.solvers.flow_course import SD3_CONFIG


@pytest.fixture
def pixels():
    return to_pixels(sample_picture("a parrot on a beach"))


def test_a_row_for_each_step_and_the_end():
    frame = visited(sdlab.course("heun", 6))
    assert list(frame["step"]) == [0, 1, 2, 3, 4, 5, 6]
    assert (np.diff(frame["sigma"]) < 0).all() and frame["sigma"].iloc[-1] == 0
    assert math.isinf(frame["snr_db"].iloc[-1]) and math.isnan(frame["timestep"].iloc[-1])
    assert_close(
        frame["snr_db"][:6].to_numpy(), 10 / math.log(10) * frame["log_snr"][:6].to_numpy()
    )


def test_pndm_evaluates_its_first_step_twice_and_has_it_once():
    assert list(visited(sdlab.course("PNDMScheduler", 5))["step"]) == [0, 1, 2, 3, 4, 5]


def test_many_steps_are_thinned_with_both_ends():
    steps = visited(sdlab.course("ddim", 100), most=11)["step"]
    assert list(steps) == list(range(0, 101, 10))
    with pytest.raises(ValueError, match="most must be at least 2, got 1"):
        visited(sdlab.course("ddim", 4), most=1)


def test_the_noise_is_that_of_a_run(embedded):
    spec = sdlab.Experiment(prompt="a cat", seed=5, num_steps=1, guidance_scale=1.0)
    run = sdlab.run(embedded, spec)
    assert_close(run.trace.x_t[0], start_noise((1, 4, 16, 16), 5)[0])


def test_vp_is_the_equation(pixels):
    noise = start_noise(tuple(pixels.shape), 0)
    alpha_bar = 1 / (1 + 2.0**2)
    expected = math.sqrt(alpha_bar) * pixels + math.sqrt(1 - alpha_bar) * noise
    assert_close(noised(pixels, noise, 2.0), expected)
    assert_close(noised(pixels, noise, 0.0), pixels)


def test_ve_keeps_the_pictures_mean_and_spread_and_the_ratio(pixels):
    noise = start_noise(tuple(pixels.shape), 0)
    shown = noised(pixels, noise, 5.0, "ve")
    assert_close(shown.mean(), pixels.mean(), rtol=1e-4, atol=1e-5)
    assert_close(shown.std(), pixels.std(), rtol=1e-4, atol=1e-5)
    vp = noised(pixels, noise, 5.0)
    together = torch.corrcoef(torch.stack([shown.flatten(), vp.flatten()]))[0, 1]
    assert together > 0.99999


def test_ve_of_a_flat_picture_is_flat():
    flat = torch.full((1, 3, 8, 8), 0.25)
    shown = noised(flat, start_noise((1, 3, 8, 8), 0), 14.6, "ve")
    assert_close(shown, flat, rtol=0, atol=1e-5)


def test_an_unknown_view_is_named(pixels):
    with pytest.raises(ValueError, match=r"Unknown view 'edm'.*ve, vp"):
        noised(pixels, pixels, 1.0, "edm")


def test_pictures_and_pixels_round_trip():
    picture = sample_picture("a fish in the sea")
    assert to_picture(to_pixels(picture)).tobytes() == picture.tobytes()


class TestFlowMatching:
    def test_rows_have_the_time_and_no_nan_but_the_ends_timestep(self):
        frame = visited(sdlab.course("heun", 6, config=SD3_CONFIG))
        assert list(frame.columns)[-1] == "flow_time"
        assert frame["flow_time"].iloc[0] == 1 and math.isinf(frame["sigma"].iloc[0])
        assert frame["snr_db"].iloc[0] == -math.inf and frame["snr_db"].iloc[-1] == math.inf
        assert not frame.drop(columns="timestep").isna().any(axis=None)

    @pytest.mark.parametrize("time", [0.0, 0.25, 0.999, 1.0])
    def test_the_view_is_the_equation(self, pixels, time):
        noise = start_noise(tuple(pixels.shape), 0)
        shown = noised(pixels, noise, float(time_to_sigma(time)), "flow")
        assert shown.isfinite().all()
        assert_close(shown, (1 - time) * pixels + time * noise)

    def test_it_is_diffusers_scale_noise(self, pixels):
        scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
        noise = start_noise(tuple(pixels.shape), 0)
        for at in (0, 400, 999):
            theirs = scheduler.scale_noise(pixels, scheduler.timesteps[at][None], noise)
            time = float(scheduler.sigmas[at])
            assert_close(noised(pixels, noise, float(time_to_sigma(time)), "flow"), theirs)

    def test_vp_at_t_1_is_noise_alone(self, pixels):
        noise = start_noise(tuple(pixels.shape), 0)
        assert_close(noised(pixels, noise, math.inf), noise, rtol=0, atol=0)
        with pytest.raises(ValueError, match="finite"):
            noised(pixels, noise, math.inf, "ve")

    def test_the_predicted_noise_of_a_run_follows_from_its_own_path(self):
        seeds = (torch.Generator().manual_seed(seed) for seed in (0, 1))
        x0, noise = (torch.randn(1, 4, 8, 8, generator=seed) for seed in seeds)
        times = (1.0, 0.6, 0.1)
        x_t = torch.cat([(1 - t) * x0 + t * noise for t in times])
        tensors = {"x_t": x_t, "x0_pred": x0.expand(3, -1, -1, -1)}
        trace = Trace((0, 1, 2), time_to_sigma(times).tolist(), tensors, {})
        for index in range(3):
            assert_close(quantity(trace, "eps_pred", index, flow=True), noise, rtol=1e-4, atol=1e-4)
