"""Every option of every scheduler, solver and curve is bounded before anything is made of it."""

import json
import math
import resource

import numpy as np
import pytest

import sdlab
from sdlab import bounds
from sdlab.linting.config_file import read_config
from sdlab.noise.curves import CURVES, make
from sdlab.noise.schedule import NoiseSchedule
from sdlab.solvers.probing import (
    SD_CONFIG,
    compatible_classes,
    parameters,
    scheduler_classes,
)
from sdlab.solvers.registry import catching, solver, solvers
from tests.zoo.chosen import cases

ENTRIES = sorted({name for cls in scheduler_classes().values() for name in parameters(cls)})
NUMBERS = (10**9, -(10**9), 10**400, 1e300, math.nan, math.inf, -math.inf)
ODD = (True, None, "", "9" * 9, "x" * 10**6, [0] * 10**6, [[[[[1]]]]], {"a": 1}, b"1", 2.5, 10_000)
MAY_BE_OPEN = {("lambda_min_clipped", -math.inf)}
MIB = 2**20


@pytest.fixture
def peak():
    """Return by how many MiB the process's peak memory has grown; what asks for more gets none."""
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = int(status["VmSize"].split()[0]) * 1024 + 1536 * MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        yield lambda: (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def is_counted(name):
    return bounds.whole_limits(name) is not None


@pytest.mark.parametrize("name", sorted(compatible_classes()))
def test_no_number_out_of_bounds_reaches_a_class_of_diffusers(name):
    for option in parameters(compatible_classes()[name]):
        for value in NUMBERS:
            seed = option.endswith("seed") and value == 10**9
            if seed or (option, value) in MAY_BE_OPEN:
                continue
            with pytest.raises(ValueError, match=rf"^{option} of {name} must be"):
                sdlab.course(name, 4, options={option: value})
            with pytest.raises(ValueError, match=f"^{option} must be"):
                sdlab.course(name, 4, config={**SD_CONFIG, option: value})


# One of each kind, for every odd value of every option makes a scheduler.
KINDS = ("DDIM", "DDPM", "PNDM", "EulerDiscrete", "DPMSolverMultistep", "LMSDiscrete", "LCM")
SOON = {f"{kind}Scheduler" for kind in KINDS}


@pytest.mark.parametrize("name", cases(sorted(compatible_classes()), SOON))
@pytest.mark.every
def test_whatever_an_option_is_given_takes_no_memory(name, peak):
    for option in parameters(compatible_classes()[name]):
        for value in ODD:
            try:
                sdlab.course(name, 4, options={option: value})
            except ValueError as error:
                assert len(str(error)) < 3000
    assert peak() < 200


@pytest.mark.parametrize("name", sorted(solvers()))
def test_options_of_own_solvers(name):
    for option in solvers()[name].options:
        for value in (*NUMBERS, "x" * 10**6, [0] * 10**6, {"a": 1}):
            with pytest.raises(ValueError, match=rf"^{option} of solver '{name}' must"):
                sdlab.course(name, 4, options={option: value})


def test_options_of_a_plug_in():
    with catching() as caught:

        @solver("hungry")
        def hungry(x, sigmas, noise, *, solver_order=2, history=3, strength=1.0, anything=None):
            list(range(history))
            yield x, sigmas[0]
            return x

    found = caught["hungry"]
    for option in found.options:
        for value in (10**9, 10**400, 1e300, math.nan, [0] * 10**6, "x" * 10**6):
            with pytest.raises(ValueError, match=f"^{option} of solver 'hungry' must"):
                found.check_options({option: value})
    found.check_options({"solver_order": np.int64(3), "history": 10_000, "anything": [1, 2.5]})


@pytest.mark.parametrize("name", sorted(CURVES))
def test_options_of_curves(name):
    schedule = NoiseSchedule.from_config(SD_CONFIG)
    for option in CURVES[name].options:
        for value in (*NUMBERS, "x" * 10**6, [0] * 10**6, {"a": 1}):
            with pytest.raises(ValueError, match=option):
                make(name, schedule, 4, {option: value})


@pytest.mark.parametrize("steps", [0, -1, 10_001, 10**9, 10**400, 2.5, math.nan, "9", True])
@pytest.mark.parametrize(
    "ask",
    [
        lambda steps: sdlab.Experiment(num_steps=steps),
        lambda steps: sdlab.course("euler", steps),
        lambda steps: sdlab.course("LMSDiscreteScheduler", steps),
        lambda steps: sdlab.lint("DDIMScheduler", steps),
        lambda steps: sdlab.bench.errors("euler", steps=[steps]),
        lambda steps: sdlab.as_diffusers_scheduler("euler").set_timesteps(steps),
        lambda steps: make("karras", NoiseSchedule.from_config({}), steps, {}),
    ],
)
def test_numbers_of_steps(ask, steps):
    with pytest.raises(ValueError, match="steps must be"):
        ask(steps)


@pytest.mark.parametrize("entry", ENTRIES)
def test_entries_of_a_file(entry):
    file = {"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear"}
    for value in (10**20, 1e300, [0] * 10_002, {"a": 1}, "x" * 10**5):
        with pytest.raises(ValueError, match=entry):
            read_config(json.dumps({**file, entry: value}).encode())
        with pytest.raises(ValueError, match=entry):
            NoiseSchedule.from_config({**file, entry: value})


@pytest.mark.parametrize("name", sorted(scheduler_classes()))
def test_defaults_of_diffusers_are_within_the_bounds(name):
    bounds.check_config(
        {k: v for k, v in parameters(scheduler_classes()[name]).items() if v is not type(v)}
    )


def test_options_of_options_are_judged_too():
    with pytest.raises(ValueError, match="order of solver_options must be a whole number"):
        bounds.check_config({"solver_options": {"order": 10**9}})
    bounds.check_config({"curve_options": {"sigmas": [1.0] * 5000}, "_name_or_path": "x" * 5000})


def test_what_is_large_but_sound_is_taken():
    betas = np.linspace(1e-4, 0.02, 10_000)
    assert NoiseSchedule.from_config({"trained_betas": betas}).num_timesteps == 10_000
    options = {"noise_sampler_seed": 2**63 - 1}
    assert sdlab.course("DPMSolverSDEScheduler", 4, options=options).nfe > 4
    config = {"num_train_timesteps": 10_000, "timestep_spacing": "linspace"}
    assert sdlab.course("euler", 10_000, config=config).nfe == 10_000
