"""Courses over flow matching's times: diffusers' own tables, shifts, and no NaN from t = 1 on."""

import math

import numpy as np
import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
)

import sdlab
from sdlab.errors import SchedulerError
from sdlab.noise.flow import dynamic_mu, is_flow, shifted, sigma_to_time, time_to_sigma
from sdlab.solvers.course import try_out
from sdlab.solvers.flow_course import SD3_CONFIG, flow_classes, probe_flow
from sdlab.solvers.from_diffusers import SD_CONFIG
from sdlab.solvers.registry import solvers
from tests.zoo.chosen import OWN, cases

FLUX_CONFIG = {**SD3_CONFIG, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}


@pytest.mark.parametrize("name, cls", [
    ("euler", FlowMatchEulerDiscreteScheduler),
    ("heun", FlowMatchHeunDiscreteScheduler),
    ("FlowMatchEulerDiscreteScheduler", FlowMatchEulerDiscreteScheduler),
])  # fmt: skip
def test_the_times_are_those_of_diffusers_scheduler(name, cls):
    theirs = cls(shift=3.0)
    theirs.set_timesteps(9)
    found = sdlab.course(name, 9, config=SD3_CONFIG)
    np.testing.assert_allclose(found.timesteps, theirs.timesteps, rtol=1e-5)
    table = found.table()
    assert table["flow_time"].iloc[0] == 1 and math.isinf(table["sigma"].iloc[0])
    assert table["flow_time"].iloc[-1] == table["sigma"].iloc[-1] == 0
    assert not table[["sigma", "log_snr", "alpha_bar", "flow_time"]].isna().any().any()
    np.testing.assert_allclose(table["flow_time"][:-1] * 1000, found.timesteps, rtol=1e-5)


@pytest.mark.parametrize("tokens, shift", [(256, math.exp(0.5)), (4096, math.exp(1.15))])
def test_a_dynamic_shift_goes_by_the_tokens(tokens, shift):
    found = sdlab.course("euler", 5, config=FLUX_CONFIG, tokens=tokens)
    plain = np.linspace(1.0, 0.001, 5)
    np.testing.assert_allclose(np.array(found.timesteps) / 1000, shifted(plain, shift), rtol=1e-5)
    assert dynamic_mu(tokens, FLUX_CONFIG) == pytest.approx(math.log(shift))


def test_a_scheduler_gets_the_same_dynamic_shift():
    ours, theirs = (
        sdlab.course(name, 6, config=FLUX_CONFIG, tokens=1024)
        for name in ("euler", "FlowMatchEulerDiscreteScheduler")
    )
    np.testing.assert_allclose(ours.timesteps, theirs.timesteps, rtol=1e-5)


@pytest.mark.parametrize("name", cases(sorted(set(solvers()) - {"edm_stochastic", "lcm"}), OWN))
def test_every_solver_samples_the_gaussian(name):
    """N(0.5, 0.5^2) from its exact velocity, 80 steps; 256 numbers of it."""
    end = try_out(sdlab.course(name, 80, config=SD3_CONFIG))
    assert end.isfinite().all()
    assert abs(float(end.mean()) - 0.5) < 5 * 0.5 / 16 + 0.02
    assert abs(float(end.std()) - 0.5) < 5 * 0.5 / math.sqrt(512) + 0.02


def test_which_of_diffusers_can_is_found_by_trying():
    found = set(flow_classes())
    assert {
        "FlowMatchEulerDiscreteScheduler",
        "FlowMatchHeunDiscreteScheduler",
        "DPMSolverMultistepScheduler",
        "UniPCMultistepScheduler",
    } <= found
    assert "DDIMScheduler" not in found
    assert probe_flow("DDIMScheduler").reason == "does not know flow matching"
    assert not probe_flow("FlowMatchLCMScheduler").deterministic
    for name in found:
        course = sdlab.course(name, 20, config=SD3_CONFIG)
        assert try_out(course).isfinite().all()


def test_a_class_of_the_other_path_is_told_what_its_users_tell_it():
    scheduler = sdlab.course("DPMSolverMultistepScheduler", 8, config=SD3_CONFIG).scheduler
    theirs = DPMSolverMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0
    )
    theirs.set_timesteps(8)
    torch.testing.assert_close(scheduler.sigmas, theirs.sigmas)


def test_the_schedule_of_a_flow_config():
    schedule = sdlab.NoiseSchedule.from_config(SD3_CONFIG)
    assert (schedule.path, schedule.num_timesteps) == ("flow", 1000)
    np.testing.assert_allclose(schedule.sigma[499], 3.0, rtol=1e-12)  # t = 1/2, times the shift
    assert not is_flow({"beta_schedule": "linear", "_class_name": "DDIMScheduler"})
    assert is_flow({"use_flow_sigmas": True}) and is_flow({"shift": 1.0})


def test_times_and_sigmas_are_each_others_inverse():
    times = np.array([0.0, 0.25, 0.5, 0.999, 1.0])
    np.testing.assert_allclose(sigma_to_time(time_to_sigma(times)), times, rtol=1e-15)
    below = times[:-1]  # a shift multiplies sigma
    np.testing.assert_allclose(time_to_sigma(shifted(below, 3.0)), 3 * time_to_sigma(below))


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: sdlab.course("DDIMScheduler", 5, config=SD3_CONFIG), ValueError, "cannot sample"),
        (lambda: sdlab.course("eulr", 5, config=SD3_CONFIG), ValueError, "Did you mean"),
        (
            lambda: sdlab.course("euler", 5, config=SD3_CONFIG, eta=0.5),
            ValueError,
            "solver 'euler' takes no eta",
        ),
        (
            lambda: sdlab.course("UniPCMultistepScheduler", 5, config=SD3_CONFIG, curve="karras"),
            ValueError,
            "takes no such curve over flow matching's times, got 'karras'; it lays none",
        ),
        (lambda: sdlab.course("euler", 2000, config=SD3_CONFIG), ValueError, "num_steps"),
        (
            lambda: sdlab.course("UniPCMultistepScheduler", 5, config=SD3_CONFIG,
                                 options={"solver_type": "nonsense"}),
            SchedulerError,
            "UniPCMultistepScheduler refuses",
        ),
        (lambda: time_to_sigma([1.5]), ValueError, "from 0 to 1"),
        (lambda: shifted(0.5, 0.0), ValueError, "shift must be above 0, got 0"),
        (lambda: dynamic_mu(0, FLUX_CONFIG), ValueError, "tokens must be at least 1, got 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("config", [SD3_CONFIG, SD_CONFIG])
def test_a_formula_is_judged_at_the_steps_that_are_asked_for(config):
    def along(text):
        return sdlab.course(
            "euler", 4, config=config, curve="formula", curve_options={"formula": text}
        )

    with pytest.raises(ValueError, match="At step 0 of 4"):
        along("1e5 - u")
    four_only = "1 - (n - 3)*0.9*u"  # rises for n below 3
    assert along(four_only).nfe == 4
    scheduler = sdlab.as_diffusers_scheduler(
        "euler", curve="formula", curve_options={"formula": four_only}, config=config
    )
    scheduler.set_timesteps(4)
    with pytest.raises(ValueError, match="formula is empty"):
        sdlab.as_diffusers_scheduler(
            "euler", curve="formula", curve_options={"formula": ""}, config=config
        )
