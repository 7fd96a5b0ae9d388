"""scheduler_config.json from outside: what diffusers writes is read, what is hostile refused."""

import json

import pytest
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EDMEulerScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    UniPCMultistepScheduler,
)

import sdlab
from sdlab.linting.config_file import read_config
from sdlab.noise.flow import is_flow


def test_what_diffusers_writes_is_read():
    for cls in (DDIMScheduler, DPMSolverMultistepScheduler):
        scheduler = cls(beta_schedule="scaled_linear", beta_end=0.012)
        read = read_config(scheduler.to_json_string().encode())
        again = cls.from_config(read)
        assert public(again) == public(scheduler)


@pytest.mark.parametrize(
    "scheduler",
    [
        FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        FlowMatchEulerDiscreteScheduler(shift=3.0, use_karras_sigmas=True, shift_terminal=0.02),
        FlowMatchHeunDiscreteScheduler(shift=2.0),
        UniPCMultistepScheduler(
            use_flow_sigmas=True, flow_shift=3.0, prediction_type="flow_prediction"
        ),
    ],
)
def test_flow_matching_is_read(scheduler):
    read = read_config(scheduler.to_json_string().encode())
    assert is_flow(read)
    assert public(type(scheduler).from_config(read)) == public(scheduler)
    assert not (sdlab.lint("euler", 6, config=read)["severity"] == "error").any()


def public(scheduler):
    return {key: value for key, value in scheduler.config.items() if not key.startswith("_")}


def plain(**entries):
    return json.dumps({"beta_schedule": "scaled_linear", **entries}).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read as JSON"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"[1, 2]", "must be a JSON object"),
        (b'{"a": -Infinity, ', "cannot be read as JSON"),
        (b'{"beta_schedule": "linear", "beta_end": NaN}', "got nan"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b" " * 20_000_000, "bytes; at most"),
        (b'{"hello": 1}', "no scheduler config"),
        (plain(beta_schedule="cubic"), "Unknown beta_schedule 'cubic'"),
        (plain(num_train_timesteps=10**9), "num_train_timesteps must be a whole number"),
        (plain(solver_order=10**9), "solver_order must be a whole number from 1 to 10, got"),
        (plain(disable_corrector=[0] * 2000), "disable_corrector must have at most 1,000 entries"),
        (plain(extra={"a": 1}), "extra must be a number"),
        (plain(_class_name="os.system('x')"), "_class_name must be a scheduler's class"),
        (b'{"_class_name": "FlowMatchEuler", "shift": 3}', "Did you mean .*FlowMatchEulerDisc"),
        (b'{"shift": 0}', "shift must be a number between 0 and 1000"),
        (b'{"shift": 3, "max_shift": "x"}', "max_shift must be a number between"),
        (EDMEulerScheduler().to_json_string().encode(), "an EDM model"),
    ],
)
def test_what_is_hostile_or_foreign_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        read_config(data)
