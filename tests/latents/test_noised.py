"""The forward process on a picture: levels, noise and views."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import sdlab
from sdlab.embedded.samples import sample_picture
from sdlab.latents.noised import noised, start_noise, to_picture, to_pixels, visited


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
