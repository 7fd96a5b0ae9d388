import numpy as np
import pytest
from diffusers import DDIMScheduler, EulerDiscreteScheduler

from sdlab.noise import NoiseSchedule, curves

SD = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
SCHEDULE = NoiseSchedule.from_config(SD)


@pytest.mark.parametrize("name", curves.names())
@pytest.mark.parametrize("num_steps", [1, 2, 10, 50])
def test_curves_fall_strictly_to_zero(name, num_steps):
    sigmas = curves.make(name, SCHEDULE, num_steps, {})
    assert len(sigmas) == num_steps + 1
    assert sigmas[-1] == 0.0
    assert (np.diff(sigmas) < 0).all()
    assert sigmas[0] <= SCHEDULE.sigma_max * (1 + 1e-12)


@pytest.mark.parametrize("spacing", curves.SPACINGS)
@pytest.mark.parametrize("num_steps", [7, 10, 30])
def test_spacings_match_diffusers(spacing, num_steps):
    cls = EulerDiscreteScheduler if spacing == "linspace" else DDIMScheduler
    scheduler = cls(**SD, timestep_spacing=spacing)
    scheduler.set_timesteps(num_steps)
    ours = curves.spaced_timesteps(spacing, num_steps, 1000, offset=1)
    np.testing.assert_allclose(ours, scheduler.timesteps.double().numpy(), atol=1e-4)


def test_karras_matches_diffusers():
    scheduler = EulerDiscreteScheduler(**SD, timestep_spacing="linspace", use_karras_sigmas=True)
    scheduler.set_timesteps(20)
    ours = curves.karras(20, float(scheduler.sigmas[-2]), float(scheduler.sigmas[0]))
    np.testing.assert_allclose(ours, scheduler.sigmas.double().numpy(), rtol=1e-5)


def test_exponential_is_even_in_log_sigma():
    steps = np.diff(np.log(curves.exponential(12, 0.03, 14.6)[:-1]))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-12)


def test_one_linspace_step_starts_at_the_noise():
    assert curves.spaced_timesteps("linspace", 1, 1000).tolist() == [999.0]


@pytest.mark.parametrize(
    ("name", "num_steps", "options", "message"),
    [
        ("karas", 5, {}, "Unknown curve 'karas'. Did you mean 'karras'"),
        ("karras", 5, {"rh": 3}, "Unknown option of curve 'karras' 'rh'"),
        ("karras", 5, {"rho": "7"}, "rho of curve 'karras' must be a number, got '7'"),
        ("karras", 5, {"rho": 0.0}, "rho must be above 0, got 0.0"),
        ("karras", 5, {"sigma_min": 20.0}, "0 < sigma_min < sigma_max"),
        ("exponential", 5, {"sigma_min": -1.0}, "0 < sigma_min < sigma_max"),
        ("leading", 5, {"rho": 7.0}, "curve 'leading' takes no options"),
        ("leading", 1001, {}, "num_steps must be from 1 to 1000.*got 1001"),
        ("karras", 1001, {}, "num_steps must be from 1 to 1000.*got 1001"),
        ("exponential", 0, {}, "num_steps must be at least 1, got 0"),
        ("karras", 5, {"rho": 0.001}, "rho=0.001 does not fall strictly"),
        ("karras", 5, {"rho": 1e18}, r"rho=1e\+18 does not fall strictly"),
        ("leading", 1000, {}, "asks for timestep 1000, beyond the schedule's last, 999"),
    ],
)
def test_bad_curves_are_refused(name, num_steps, options, message):
    with pytest.raises(ValueError, match=message):
        curves.make(name, SCHEDULE, num_steps, options)


def test_unknown_spacing_is_refused():
    with pytest.raises(ValueError, match="Unknown timestep spacing 'trailling'"):
        curves.spaced_timesteps("trailling", 5, 1000)
