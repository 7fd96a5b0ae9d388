"""Schedules match diffusers and the papers' equations, and their views agree."""

import numpy as np
import pytest
from diffusers import (
    DDPMScheduler,
    EDMEulerScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
)
from hypothesis import given
from hypothesis import strategies as st

from sdlab.noise import NoiseSchedule, curves
from sdlab.noise.flow import shifted
from sdlab.noise.schedule import FlowTimes, edm_c_noise

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@pytest.mark.parametrize(
    "beta_schedule", ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"]
)
@pytest.mark.parametrize("zero_snr", [False, True])
def test_alpha_bar_matches_diffusers(beta_schedule, zero_snr):
    scheduler = DDPMScheduler(beta_schedule=beta_schedule, rescale_betas_zero_snr=zero_snr)
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


@pytest.mark.parametrize("num_timesteps", [2, 18, 1000])
def test_edm_matches_diffusers(num_timesteps):
    scheduler = EDMEulerScheduler()
    scheduler.set_timesteps(num_timesteps)
    schedule = NoiseSchedule.edm(num_timesteps)
    # float32 there
    reference = scheduler.sigmas[:-1].double().numpy()
    np.testing.assert_allclose(schedule.sigma[::-1], reference, rtol=1e-6)
    np.testing.assert_allclose(
        edm_c_noise(schedule.sigma[::-1]), scheduler.timesteps.double().numpy(), atol=1e-6
    )


def test_edm_is_the_papers_equation():
    i = np.arange(18)
    paper = (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    np.testing.assert_allclose(NoiseSchedule.edm(18).sigma[::-1], paper, rtol=1e-9)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_matching_matches_diffusers(shift):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    time = scheduler.sigmas.double().numpy()[::-1]  # diffusers calls the times sigmas
    schedule = NoiseSchedule.flow_matching(shift=shift)
    # float32 times near 1 leave few digits of 1 - t.
    np.testing.assert_allclose(schedule.sigma[:-1], time[:-1] / (1 - time[:-1]), rtol=2e-4)
    assert time[-1] == 1.0 and np.isinf(schedule.sigma[-1])
    x0, noise = 0.7, -1.3
    flow = (1 - time[500]) * x0 + time[500] * noise
    bar = schedule.alpha_bar[500]
    ours = np.sqrt(bar) * x0 + np.sqrt(1 - bar) * noise
    assert ours * np.hypot(time[500], 1 - time[500]) == pytest.approx(flow, rel=1e-6)


def test_flow_matchings_times_stand_in_the_place_of_sigma():
    times = FlowTimes(1000, 3.0)
    assert times.sigma_max == 1 and times.sigma[-1] == 1
    np.testing.assert_allclose(times.sigma, shifted(np.arange(1, 1001) / 1000, 3.0))
    np.testing.assert_allclose(times.timestep_to_sigma(499), 0.75)
    np.testing.assert_allclose(times.sigma_to_timestep(0.75), 499)
    even = curves.make("linspace", FlowTimes(), 4, {})
    np.testing.assert_allclose(even, [1, 2 / 3 + 1 / 3000, 1 / 3 + 2 / 3000, 0.001, 0], rtol=1e-5)


def test_flow_matching_can_be_walked_like_zero_terminal_snr():
    schedule = NoiseSchedule.flow_matching()
    assert schedule.alpha_bar[-1] == 0.0
    assert schedule.sigma_max == pytest.approx(4096.0, rel=1e-6)
    assert np.isfinite(schedule.timestep_to_sigma(np.arange(1000))).all()


@pytest.mark.parametrize(
    "schedule",
    [
        NoiseSchedule.from_config({**SD, "rescale_betas_zero_snr": True}),
        NoiseSchedule.from_config(SD),
        NoiseSchedule.edm(),
        NoiseSchedule.flow_matching(shift=3.0),
    ],
    ids=["zero-snr", "sd", "edm", "flow"],
)
def test_the_tables_views_agree(schedule):
    table = schedule.table()
    if schedule.path == "flow":
        time = table.pop("flow_time")
        np.testing.assert_allclose(table["timestep"], 1000 * time)
        np.testing.assert_allclose(schedule.told_timestep(table["sigma"]), table["timestep"])
        assert time.iloc[-1] == 1
    assert list(table) == ["timestep", "alpha_bar", "sigma", "log_snr", "snr_db"]
    assert table.dtypes.drop("timestep").eq("float64").all() and len(table) == 1000
    inner = table.iloc[:-1] if schedule.alpha_bar[-1] == 0 else table
    snr = inner["alpha_bar"] / (1 - inner["alpha_bar"])
    np.testing.assert_allclose(inner["sigma"], snr**-0.5, rtol=1e-9)
    np.testing.assert_allclose(inner["log_snr"], np.log(snr), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(inner["snr_db"], 10 * np.log10(snr), rtol=1e-7, atol=1e-9)
    if schedule.alpha_bar[-1] == 0:
        assert table.iloc[-1, 1:].tolist() == [0.0, np.inf, -np.inf, -np.inf]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: NoiseSchedule.edm(1),
            "num_timesteps must be a whole number from 2 to",
        ),
        (lambda: NoiseSchedule.edm(sigma_min=100), "0 < sigma_min < sigma_max"),
        (
            lambda: NoiseSchedule.flow_matching(1),
            "num_timesteps must be a whole number from 2 to",
        ),
        (lambda: NoiseSchedule.flow_matching(shift=0), "shift must be above 0, got 0"),
    ],
)
def test_bad_edm_and_flow_schedules_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


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
        ({"trained_betas": [0.1]}, "trained_betas must have 2 to 10,000 entries"),
    ],
)
def test_bad_configs_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        NoiseSchedule.from_config(config)


@pytest.mark.parametrize("timestep", [-1, 1000, float("nan")])
def test_timesteps_outside_are_refused(timestep):
    with pytest.raises(ValueError, match="timestep must be from 0 to 999"):
        NoiseSchedule.from_config(SD).timestep_to_sigma(timestep)
