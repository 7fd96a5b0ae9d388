"""Curves come back from their JSON, and other tools' configs are understood or refused."""

import json

import diffusers
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlab.noise import NoiseSchedule, curves
from sdlab.noise.diffusers_config import read_scheduler_config
from sdlab.noise.exchange import curve_json, diffusers_curve, read_curve, sigma_list
from sdlab.shipped import FOLDER as EMBEDDED
from sdlab.solvers.flow_course import SD3_CONFIG

SD = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "prediction_type": "epsilon",
}
SCHEDULE = NoiseSchedule.from_config(SD)
OWN = {
    "formula": {"formula": "sigma_max*(sigma_min/sigma_max)**(u**0.9)"},
    "sigmas": {"sigmas": (14.6, 6.5, 2.7, 0.4, 0.0)},
    "points": {"points": ((0, 14.0), (0.4, 2.0), (1, 0.03))},
}
EVERY = [*((name, {}) for name in curves.names()), *OWN.items(), ("karras", {"rho": 3.0})]


@pytest.mark.parametrize(("name", "options"), EVERY)
def test_a_curve_comes_back_from_its_json(name, options):
    text = curve_json(name, options, SCHEDULE, 4)
    back = read_curve(text)
    assert (back.curve, back.options, back.num_steps) == (name, options, 4)
    values = json.loads(text)
    np.testing.assert_array_equal(values["sigmas"], curves.make(name, SCHEDULE, 4, options))
    assert values["source"] == curves.CURVES[name].source
    assert read_curve(text.encode()) == back


def test_a_list_for_other_tools_is_read_back():
    from sdlab.noise.custom import parse_table

    text = sigma_list(curves.make("karras", SCHEDULE, 5, {}))
    assert text.startswith("14.6146, ") and text.endswith(", 0")
    np.testing.assert_allclose(
        parse_table(text).sigmas, curves.make("karras", SCHEDULE, 5, {}), rtol=1e-5
    )


@pytest.mark.parametrize(("name", "options"), EVERY)
@pytest.mark.parametrize("base", [{}, {"use_karras_sigmas": True}])
@pytest.mark.parametrize("num_steps", [1, 4])
def test_diffusers_walks_the_same_curve(name, options, base, num_steps):
    if name == "sigmas" and num_steps == 1:
        options = {"sigmas": (14.6, 0.0)}
    made = diffusers_curve(name, options, {**SD, **base}, num_steps)
    scheduler = diffusers.EulerDiscreteScheduler.from_config(made.config)
    if made.sigmas is None:
        scheduler.set_timesteps(num_steps)
    else:
        scheduler.set_timesteps(sigmas=list(made.sigmas))
    want = curves.make(name, SCHEDULE, num_steps, options)
    np.testing.assert_allclose(scheduler.sigmas.numpy(), want, rtol=2e-5)
    assert json.loads(json.dumps(made.config)) == made.config


def test_what_diffusers_has_itself_needs_no_sigmas():
    by_itself = [
        name for name, options in EVERY if not diffusers_curve(name, options, SD, 4).sigmas
    ]
    assert by_itself == ["leading", "linspace", "trailing", "karras", "exponential"]
    shape = {"over": "sigmas"}
    made = diffusers_curve("beta", shape, SD, 20)
    assert made.sigmas is None and made.config["use_beta_sigmas"]
    assert diffusers_curve("beta", {**shape, "alpha": 0.5}, SD, 20).sigmas


@pytest.mark.parametrize(
    ("config", "own"),
    [(SD, "stable-diffusion-v1-5/stable-diffusion-v1-5"), (SD3_CONFIG, "your/flow-matching-model")],
)
def test_the_snippet_names_the_model(config, own):
    named = diffusers_curve("karras", {}, config, 3, model="my/folder").snippet
    assert "'my/folder'" in named and "stabilityai" not in named
    assert f"'{own}'" in diffusers_curve("karras", {}, config, 3).snippet


@pytest.mark.parametrize(("name", "options"), [("karras", {}), ("points", OWN["points"])])
def test_the_snippet_makes_a_picture(name, options):
    made = diffusers_curve(name, options, SD, 3, model=str(EMBEDDED))
    space = {}
    exec(made.snippet, space)
    assert space["image"].mode == "RGB"
    ran = space["pipe"].scheduler.sigmas.numpy()
    np.testing.assert_allclose(ran, curves.make(name, SCHEDULE, 3, options), rtol=2e-5)


def test_a_long_list_is_wrapped_in_the_snippet():
    made = diffusers_curve("ays_sd15", {}, SD, 40)
    assert max(map(len, made.snippet.splitlines())) <= 100
    compile(made.snippet, "snippet", "exec")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[1]", "the curve must be a JSON object, got a list"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (" " * 500_001, "has 500,001 bytes"),
        ('{"a": ' + "9" * 5000 + "}", "a number of 5000 digits is too long"),
        ("{}", "this JSON is no curve of sdlab"),
        ('{"kind": "sdlab.curve", "format": 9}', "is of format 9"),
        ('{"kind": "sdlab.curve", "format": 1, "curve": "x"}', "unknown name: 'x'"),
        ('{"kind": "sdlab.curve", "format": 1, "curve": ["x"]}', "unknown name"),
        (
            '{"kind": "sdlab.curve", "format": 1, "curve": "karras", "options": 3}',
            "options must be an object, got 3",
        ),
        (
            '{"kind": "sdlab.curve", "format": 1, "curve": "karras", "options": {}}',
            "num_steps must be a whole number, got None",
        ),
    ],
)
def test_what_is_no_curve_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        read_curve(text)


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (diffusers.DDIMScheduler, {}),
        (diffusers.DDPMScheduler, {"beta_schedule": "sigmoid"}),
        (diffusers.EulerDiscreteScheduler, {"use_karras_sigmas": True}),
        (diffusers.DPMSolverMultistepScheduler, {"use_exponential_sigmas": True}),
        (diffusers.UniPCMultistepScheduler, {"use_beta_sigmas": True}),
        (diffusers.DDIMScheduler, {"rescale_betas_zero_snr": True}),
        (diffusers.LCMScheduler, {}),
        (diffusers.EDMEulerScheduler, {}),
        (diffusers.FlowMatchEulerDiscreteScheduler, {"shift": 3.0}),
    ],
)
def test_diffusers_own_configs_are_understood(cls, options, tmp_path):
    scheduler = cls(**options)
    scheduler.save_pretrained(tmp_path)
    found = read_scheduler_config((tmp_path / "scheduler_config.json").read_bytes())
    assert found.name == cls.__name__
    assert set(found.understood) & set(found.ignored) == set()
    every = {*found.understood, *found.ignored, "_class_name"}
    assert every == set(json.loads((tmp_path / "scheduler_config.json").read_text()))
    if hasattr(scheduler, "alphas_cumprod"):
        np.testing.assert_allclose(
            found.schedule.alpha_bar, scheduler.alphas_cumprod.numpy(), rtol=1e-4, atol=1e-7
        )
    sigmas = curves.make(found.curve, found.schedule, 10, found.curve_options)
    assert len(sigmas) == 11


def test_the_curve_and_its_range_are_understood():
    text = '{"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": true, "sigma_max": 9.0}'
    found = read_scheduler_config(text)
    assert (found.curve, found.curve_options) == ("karras", {"sigma_max": 9.0})
    assert found.schedule.timestep_spacing == "linspace"  # Euler's own, the file has none


def test_what_is_ignored_is_said_with_its_reason():
    text = json.dumps(
        {
            **SD,
            "_class_name": "DPMSolverMultistepScheduler",
            "_diffusers_version": "0.42.1",
            "solver_order": 2,
            "trained_betas": None,
            "clip_sample": False,
            "what_is_this": [1],
        }
    )
    ignored = read_scheduler_config(text).ignored
    assert set(ignored) == {
        "_diffusers_version", "solver_order", "trained_betas", "clip_sample", "what_is_this"
    }  # fmt: skip
    assert ignored["what_is_this"].startswith("it belongs to DPMSolverMultistepScheduler")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "this JSON is no scheduler config"),
        ({"_class_name": 3}, "_class_name must be a scheduler's class, got 3"),
        ({"_class_name": "__import__('os')"}, "_class_name must be a scheduler's class"),
        ({"beta_schedule": "linera"}, "Unknown beta_schedule 'linera'. Did you mean 'linear'"),
        ({"beta_schedule": ["linear"]}, "Unknown beta_schedule"),
        ({"beta_schedule": "linear", "beta_start": "a"}, "beta_start must be a number between"),
        ({"beta_schedule": "linear", "beta_end": 2.0}, "beta_end must be a number between 0 and 1"),
        ({"beta_schedule": "linear", "beta_end": float("nan")}, "beta_end must be a number"),
        ({"beta_schedule": "linear", "beta_end": True}, "beta_end must be a number"),
        ({"num_train_timesteps": 10**12}, "from 2 to 10000, got 1000000000000"),
        ({"num_train_timesteps": 1.5}, "num_train_timesteps must be a whole number"),
        ({"trained_betas": "abc"}, "trained_betas must be 2 to 10000 numbers"),
        ({"trained_betas": [0.1, "x"]}, "trained_betas must be 2 to 10000 numbers"),
        ({"trained_betas": [0.1]}, "trained_betas must be 2 to 10000 numbers"),
        ({"prediction_type": "x0"}, "Unknown prediction_type 'x0'"),
        ({"timestep_spacing": "x"}, "Unknown timestep_spacing 'x'"),
        ({"rescale_betas_zero_snr": "yes"}, "must be true or false, got 'yes'"),
        ({"use_karras_sigmas": 1}, "use_karras_sigmas must be true or false, got 1"),
        (
            {"use_karras_sigmas": True, "use_beta_sigmas": True},
            "only one of use_karras_sigmas, use_beta_sigmas can be true",
        ),
        ({"_class_name": "EDMEulerScheduler", "sigma_min": 90.0}, "sigma_min < sigma_max"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": -1}, "shift must be a number"),
    ],
)
def test_hostile_configs_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        read_scheduler_config(json.dumps(values))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
KEYS = st.sampled_from(
    ["_class_name", "beta_schedule", "beta_start", "beta_end", "trained_betas", "shift", "rho"]
    + ["num_train_timesteps", "sigma_min", "sigma_max", "use_karras_sigmas", "timestep_spacing"]
    + ["prediction_type", "steps_offset", "rescale_betas_zero_snr", "original_inference_steps"]
)


@given(st.dictionaries(KEYS, JSON, max_size=8))
def test_no_config_breaks_the_reader(values):
    try:
        found = read_scheduler_config(json.dumps(values))
    except ValueError as error:
        assert str(error)
        return
    assert isinstance(found.schedule, NoiseSchedule)
