"""Noise is added as diffusers adds it, with the signal-to-noise ratio that sigma says."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler

from sdlab.noise import NoiseSchedule, forward

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SCHEDULE = NoiseSchedule.from_config(SD)
X0, NOISE = (torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(s)) for s in (0, 1))


@pytest.mark.parametrize(("kind", "cls"), [("vp", DDIMScheduler), ("ve", EulerDiscreteScheduler)])
def test_add_noise_matches_diffusers(kind, cls):
    steps = torch.tensor([999, 500, 0])
    reference = cls(**SD).add_noise(X0, NOISE, steps)
    ours = forward.add_noise_at(X0, NOISE, steps.numpy(), SCHEDULE, kind)
    # float32 tables there
    torch.testing.assert_close(ours, reference, rtol=1e-4, atol=1e-4)
    assert ours.dtype == torch.float32


def test_numpy_and_torch_agree():
    sigma = [0.1, 1.0, 14.0]
    of_numpy = forward.add_noise(X0.double().numpy(), NOISE.double().numpy(), sigma)
    of_torch = forward.add_noise(X0.double(), NOISE.double(), sigma)
    np.testing.assert_allclose(of_numpy, of_torch.numpy(), rtol=1e-14)


@pytest.mark.parametrize("sigma", [0.0, 0.3, 14.6])
def test_ve_is_vp_times_the_scale(sigma):
    vp, ve = (forward.add_noise(X0.double(), NOISE.double(), sigma, k) for k in ("vp", "ve"))
    torch.testing.assert_close(ve, vp * np.sqrt(1 + sigma**2))


def test_pixels_have_the_snr_that_sigma_says():
    rng = np.random.default_rng(0)
    x0, noise = rng.standard_normal((2, 3, 256, 256))
    noisy = forward.add_noise(x0, noise, 0.5, "ve")
    measured = 10 * np.log10(np.var(x0) / np.var(noisy - x0))
    assert measured == pytest.approx(forward.snr_db(0.5), abs=0.1)


def test_the_last_timestep_of_zero_terminal_snr_is_noise_alone():
    schedule = NoiseSchedule.from_config({**SD, "rescale_betas_zero_snr": True})
    torch.testing.assert_close(
        forward.add_noise_at(X0, NOISE, 999, schedule), NOISE, rtol=0, atol=0
    )
    assert np.isneginf(forward.snr_db(forward.sigma_at(999, schedule)))
    assert forward.sigma_at(998.5, schedule) < 4096


def test_half_precision_is_rounded_once():
    ours = forward.add_noise(X0.half(), NOISE.half(), 7.0)
    exact = forward.add_noise(X0.half().double(), NOISE.half().double(), 7.0)
    assert ours.dtype == torch.float16
    torch.testing.assert_close(ours, exact.half(), rtol=1e-3, atol=0)


def test_psnr():
    flat = np.zeros((4, 4))
    assert forward.psnr(flat, flat) == float("inf")
    assert forward.psnr(flat, flat + 2) == pytest.approx(0.0)
    assert forward.psnr(flat, flat + 25.5, peak=255) == pytest.approx(20.0)
    assert forward.psnr(X0, X0 + 0.2) == pytest.approx(20.0, abs=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: forward.add_noise(X0, NOISE, -1.0), "sigma must be 0 or more"),
        (lambda: forward.add_noise(X0, NOISE, float("nan")), "sigma must be 0 or more"),
        (lambda: forward.add_noise(X0, NOISE, float("inf"), "ve"), "finite"),
        (lambda: forward.add_noise(X0, NOISE, 1.0, "vpp"), "Unknown kind.*'vpp'"),
        (lambda: forward.add_noise(X0, NOISE[:1], 1.0), "noise must have the shape of x0"),
        (lambda: forward.add_noise(X0, NOISE, [1.0, 2.0]), "one for each of 3 images"),
        (lambda: forward.add_noise_at(X0, NOISE, 1000, SCHEDULE), "from 0 to 999"),
        (lambda: forward.psnr(X0, X0[:1]), "must have one shape"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
