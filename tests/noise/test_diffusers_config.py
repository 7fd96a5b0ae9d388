"""Every scheduler class of the installed diffusers is read as it is, or refused by name."""

import json
import math

import numpy as np
import pytest

from sdlab.linting.config_file import read_config
from sdlab.models.scheduler_config import parameters
from sdlab.noise import curves
from sdlab.noise.diffusers_config import (
    CURVE_OF_FLAG,
    EDM_CLASSES,
    FLOW_CLASSES,
    READ,
    SD_CLASSES,
    read_scheduler_config,
)
from sdlab.noise.schedule import NoiseSchedule
from sdlab.solvers.probing import scheduler_classes

STEPS = 9


def read(name, **entries):
    return read_scheduler_config(json.dumps({"_class_name": name, **entries}))


def made(name, **entries):
    return scheduler_classes()[name].from_config(entries)


def levels(found):
    return curves.make(found.curve, found.schedule, STEPS, found.curve_options)


def sigmas(scheduler):
    """The levels that a class visits over its own curve, each once, without the last."""
    scheduler.set_timesteps(STEPS)
    table = scheduler.sigmas.tolist()
    return list(dict.fromkeys(table))[:STEPS]


@pytest.mark.parametrize("name", sorted(scheduler_classes()))
def test_a_class_is_read_or_refused_by_name(name):
    if name in READ:
        assert read(name).name == name
        return
    with pytest.raises(ValueError, match=f"_class_name is '{name}', whose noise .* not read"):
        read(name)
    with pytest.raises(ValueError, match=name):
        read(name, beta_schedule="linear")


def test_an_unknown_class_gets_no_default_betas():
    with pytest.raises(ValueError, match="'MyScheduler', whose noise .* Read are: .*DDIMScheduler"):
        read("MyScheduler", beta_schedule="linear")


BETAS = (
    {},
    {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"},
    {"num_train_timesteps": 300, "beta_schedule": "linear"},
    {"beta_schedule": "squaredcos_cap_v2"},
    {"trained_betas": [0.01, 0.02, 0.03, 0.05]},
    {"beta_schedule": "scaled_linear", "rescale_betas_zero_snr": True},
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.every) if name.startswith("KDPM2Anc") else name
        for name in SD_CLASSES
    ],
)
def test_betas_are_the_class_s_own(name):
    for entries in BETAS:
        if "KDPM2" in name and not {"num_train_timesteps", "trained_betas"} & set(entries):
            continue  # the time that it takes to make goes with its timesteps
        scheduler, found = made(name, **entries), read(name, **entries)
        expected = scheduler.alphas_cumprod.double().numpy().copy()
        if expected[-1] == pytest.approx(2.0**-24):  # what stands in for zero
            expected[-1] = 0.0
        np.testing.assert_allclose(found.schedule.alpha_bar, expected, rtol=1e-3, atol=1e-7)
        assert found.schedule.prediction_type == scheduler.config.prediction_type
        taken = parameters(type(scheduler))
        spacing = scheduler.config.timestep_spacing if "timestep_spacing" in taken else "leading"
        assert found.schedule.timestep_spacing == spacing
        assert found.schedule.steps_offset == scheduler.config.get("steps_offset", 0)


@pytest.mark.parametrize("ends", [{}, {"sigma_min": 0.1, "sigma_max": 9.0}])
@pytest.mark.parametrize("flag", sorted(CURVE_OF_FLAG))
def test_curves_are_the_class_s_own(flag, ends):
    tried = 0
    for name in SD_CLASSES:
        if flag not in parameters(scheduler_classes()[name]):
            continue
        entries = {flag: True, "timestep_spacing": "linspace", **ends, "num_train_timesteps": 300}
        if flag == "use_beta_sigmas" and ends:
            with pytest.raises(ValueError, match="use_beta_sigmas with sigma_min, sigma_max"):
                read(name, **entries)
            continue
        found, theirs = levels(read(name, **entries)), sigmas(made(name, **entries))
        np.testing.assert_allclose(found[:STEPS], theirs, rtol=2e-3, err_msg=name)
        tried += 1
    assert tried or ends


@pytest.mark.parametrize("name", EDM_CLASSES)
@pytest.mark.parametrize(
    "entries",
    [{}, {"sigma_min": 0.01, "sigma_max": 157.0}, {"rho": 5.0}, {"sigma_schedule": "exponential"},
     {"sigma_schedule": "karras"}],
)  # fmt: skip
def test_the_range_of_edm_is_the_class_s_own(name, entries):
    scheduler, found = made(name, **entries), read(name, **entries)
    np.testing.assert_allclose(levels(found)[:STEPS], sigmas(scheduler), rtol=1e-4)
    assert found.schedule.sigma_max == pytest.approx(scheduler.config.sigma_max)
    assert found.schedule.sigma_min == pytest.approx(scheduler.config.sigma_min)


@pytest.mark.parametrize("name", FLOW_CLASSES)
@pytest.mark.parametrize("entries", [{}, {"shift": 3.0}, {"num_train_timesteps": 300}])
def test_the_shift_of_flow_matching_is_the_class_s_own(name, entries):
    times = made(name, **entries).sigmas.double().numpy()[1:]
    found = read(name, **entries).schedule
    np.testing.assert_allclose(found.sigma[-2::-1], times / (1 - times), rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "entries", "message"),
    [
        ("UniPCMultistepScheduler", {"use_flow_sigmas": True}, "use_flow_sigmas is True"),
        ("FlowMatchEulerDiscreteScheduler", {"shift_terminal": 0.1}, "shift_terminal is 0.1"),
        ("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True}, "picture's size"),
        ("FlowMatchEulerDiscreteScheduler", {"use_karras_sigmas": True}, "flow matching's times"),
        ("EulerDiscreteScheduler", {"interpolation_type": "log_linear"}, "interpolation_type is"),
        ("DPMSolverMultistepScheduler", {"lambda_min_clipped": -5.1}, "lambda_min_clipped is -5.1"),
        ("CogVideoXDDIMScheduler", {"snr_shift_scale": 3.0}, "CogVideoXDDIMScheduler"),
        ("DPMSolverMultistepScheduler", {"use_lu_lambdas": True, "use_karras_sigmas": True}, "one"),
    ],
)
def test_what_makes_the_noise_another_is_refused_by_name(name, entries, message):
    with pytest.raises(ValueError, match=message):
        read(name, **entries)


def test_what_a_class_does_not_take_is_no_noise_of_it():
    found = read("PNDMScheduler", beta_schedule="scaled_linear", rescale_betas_zero_snr=True)
    assert found.schedule.alpha_bar[-1] > 0
    assert found.ignored["rescale_betas_zero_snr"] == "PNDMScheduler does not take it"


def test_flow_prediction_is_not_taken_for_a_slip():
    for ask in (
        lambda: read("UniPCMultistepScheduler", prediction_type="flow_prediction"),
        lambda: NoiseSchedule.from_config({"prediction_type": "flow_prediction"}),
    ):
        with pytest.raises(ValueError, match="belongs to flow-matching models") as caught:
            ask()
        assert "mean" not in str(caught.value)


def test_the_config_of_stable_video_diffusion_is_named_as_what_it_is():
    svd = {
        "_class_name": "EulerDiscreteScheduler",
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "interpolation_type": "linear",
        "num_train_timesteps": 1000,
        "prediction_type": "v_prediction",
        "sigma_max": 700.0,
        "sigma_min": 0.002,
        "steps_offset": 1,
        "timestep_spacing": "leading",
        "timestep_type": "continuous",
        "use_karras_sigmas": True,
    }
    for ask in (read_scheduler_config, read_config):
        with pytest.raises(ValueError, match="timestep_type.*Stable Video Diffusion") as caught:
            ask(json.dumps(svd).encode())
        assert "fewer steps" not in str(caught.value)


def test_no_limit_is_read_as_none():
    assert read("DPMSolverMultistepScheduler", lambda_min_clipped=-math.inf).curve is None
