import numpy as np
import pytest
from diffusers import DDIMScheduler, EulerDiscreteScheduler
from hypothesis import given
from hypothesis import strategies as st

from sdlab.noise import NoiseSchedule

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@pytest.mark.parametrize("beta_schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("zero_snr", [False, True])
def test_alpha_bar_matches_diffusers(beta_schedule, zero_snr):
    scheduler = DDIMScheduler(beta_schedule=beta_schedule, rescale_betas_zero_snr=zero_snr)
    schedule = NoiseSchedule.from_config(scheduler.config)
    # diffusers multiplies 1,000 float32 factors: relative error about 1000 * 6e-8.
    reference = scheduler.alphas_cumprod.double().numpy()
    np.testing.assert_allclose(schedule.alpha_bar, reference, rtol=1e-4, atol=1e-8)


def test_sigma_matches_diffusers_euler():
    scheduler = EulerDiscreteScheduler(**SD, timestep_spacing="linspace")
    scheduler.set_timesteps(1000)
    schedule = NoiseSchedule.from_config(scheduler.config)
    ours = schedule.sigma[::-1]
    np.testing.assert_allclose(ours, scheduler.sigmas[:-1].double().numpy(), rtol=1e-4)
    assert schedule.sigma_min == pytest.approx(0.0292, abs=1e-4)
    assert schedule.sigma_max == pytest.approx(14.6146, abs=1e-3)


def test_views_agree():
    schedule = NoiseSchedule.from_config(SD)
    np.testing.assert_allclose(schedule.alpha_bar, 1 / (1 + schedule.sigma**2), rtol=1e-12)
    np.testing.assert_allclose(schedule.log_snr, -2 * np.log(schedule.sigma), rtol=1e-12)


@given(st.floats(0.0, 999.0))
def test_timestep_sigma_round_trip(timestep):
    schedule = NoiseSchedule.from_config(SD)
    back = schedule.sigma_to_timestep(schedule.timestep_to_sigma(timestep))
    assert back == pytest.approx(timestep, abs=1e-8)


def test_interpolation_is_log_linear():
    schedule = NoiseSchedule.from_config(SD)
    middle = schedule.timestep_to_sigma(500.5)
    assert middle == pytest.approx(np.sqrt(schedule.sigma[500] * schedule.sigma[501]), rel=1e-12)


def test_zero_terminal_snr_is_exact_and_usable():
    schedule = NoiseSchedule.from_config({**SD, "rescale_betas_zero_snr": True})
    assert schedule.alpha_bar[-1] == 0.0
    assert np.isinf(schedule.sigma[-1])
    assert schedule.sigma_max == pytest.approx(4096.0, rel=1e-6)
    assert schedule.timestep_to_sigma(999) == pytest.approx(4096.0, rel=1e-6)


@pytest.mark.parametrize("beta_schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_sigma_of_a_timestep_is_the_tables(beta_schedule):
    """Also where sigma is very large: only a zero alpha_bar is floored."""
    schedule = NoiseSchedule.from_config({"beta_schedule": beta_schedule})
    at = schedule.timestep_to_sigma(np.arange(1000))
    np.testing.assert_allclose(at, schedule.sigma, rtol=1e-12)


def test_trained_betas_are_taken():
    schedule = NoiseSchedule.from_config({"trained_betas": [0.1, 0.2]})
    np.testing.assert_allclose(schedule.alpha_bar, [0.9, 0.72])


def test_alpha_bar_cannot_be_changed():
    schedule = NoiseSchedule.from_config(SD)
    with pytest.raises(ValueError, match="read-only"):
        schedule.alpha_bar[0] = 1.0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"beta_schedule": "scaled_linaer"}, r"'scaled_linaer'.*Did you mean 'scaled_linear'"),
        ({"prediction_type": "x0"}, "Unknown prediction_type 'x0'"),
        ({"trained_betas": [0.1, 0.0]}, "fall strictly"),
        ({"trained_betas": [0.1]}, "1-D array of 2 or more"),
    ],
)
def test_bad_configs_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        NoiseSchedule.from_config(config)


@pytest.mark.parametrize("timestep", [-1, 1000, float("nan")])
def test_timesteps_outside_are_refused(timestep):
    with pytest.raises(ValueError, match="timestep must be from 0 to 999"):
        NoiseSchedule.from_config(SD).timestep_to_sigma(timestep)
