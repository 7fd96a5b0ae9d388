"""The rules on flow matching's path: one course at which each fires, one at which it does not."""

import math
import re

import numpy as np
import pytest

import sdlab
from sdlab.linting import registry
from sdlab.linting.flow_times import implied_shift
from sdlab.linting.rehearsal import rehearse
from sdlab.noise.flow import shifted
from sdlab.solvers.flow_course import SD3_CONFIG, flow_classes
from sdlab.solvers.registry import solvers

EULER, HEUN, UNIPC = (
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "UniPCMultistepScheduler",
)
PLAIN = {"_class_name": EULER, "num_train_timesteps": 1000, "shift": 1.0}
FLUX = {**SD3_CONFIG, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
EVEN = np.linspace(1.0, 0.05, 20)
THRICE = shifted(EVEN, 3.0).tolist()


def case(name, num_steps, says="", config=SD3_CONFIG, **asked):
    return name, num_steps, says, {"config": config, **asked}


FIRES = {
    "shift-twice": case(
        EULER, 20, "a shift of 3 already, and 3 comes on top, 9 in all: 10 of 20 .* have 5",
        sigmas=THRICE,
    ),
    "end-shifted-twice": case(EULER, 10, r"t 0\.00893; shifted once by 3 it is 0\.00299"),
    "shift-unused": case(EULER, 10, r"shift is 3; in force is 3\.16", FLUX),
    "mu-unlike-size": case(
        EULER, 10, r"mu is 1\.15, and 1,024 tokens have 0\.63: a shift of 3\.16 in place of 1\.88",
        FLUX, mu=1.15, tokens=1024,
    ),
    "mu-assumed": case(EULER, 10, r"4,096 tokens are taken: mu 1\.15, a shift of 3\.16", FLUX),
    "mu-unused": case(EULER, 10, r"mu=1\.15 has no effect: the shift stays 3", mu=1.15),
    "size-beyond-shift": case(
        EULER, 10, r"16,384 tokens lie outside 256 to 4,096: mu 3\.2[34], a shift of 25", FLUX,
        tokens=16384,
    ),
    "mu-as-shift": case(
        EULER, 10, r"The shift is mu, 1\.15; exp\(mu\) is 3\.16",
        {**FLUX, "time_shift_type": "linear"},
    ),
    "crowded-at-noise": case(
        EULER, 20, r"13 of 20 steps \(65%\) begin above t 0\.9, 19 above t 0\.5",
        {**PLAIN, "shift": 17.0},
    ),
    "curve-over-time": case(
        EULER, 20, "Karras' curve, 4 of 20 st.* .* above t 0.5 and 9 below t 0.1; .* have 15 and 1",
        options={"use_karras_sigmas": True},
    ),
    "terminal-shift": case(
        EULER, 20, r"begins at t 0\.02; without shift_terminal=0\.02 at 0\.00893",
        {**SD3_CONFIG, "shift_terminal": 0.02},
    ),
    "times-rise": case(EULER, 10, "from 0 to 0.99", {**SD3_CONFIG, "invert_sigmas": True}),
    "timestep-off-sigma": case(
        EULER, 10, r"9 of 10 evaluations are off; the worst is told t=400 at t 0\.667", timesteps=[
            1000, 900, 800, 700, 600, 500, 400, 300, 200, 100
        ],
    ),
    "rounded-timesteps": case(UNIPC, 10, r"t 1 belongs to t=1000\.00, told as 999"),
    "starts-below-training": case(
        EULER, 4, r"stands at t 0\.857, where training showed 14\.3% of the picture",
        sigmas=[0.6667, 0.5, 0.3, 0.1],
    ),
    "large-last-jump": case(UNIPC, 10, r"from t 0\.25\d* to 0 at once"),
    "repeated-sigma": case(EULER, 4, "from t 0.75 to 0.75", sigmas=[1.0, 0.5, 0.5, 0.1]),
    "not-as-trained": case(UNIPC, 10, "'epsilon', the model's is 'flow_prediction'", options={
        "prediction_type": "epsilon"
    }),
    "needs-distilled-model": case("FlowMatchLCMScheduler", 4, "consistency model"),
    "img2img-start": case(EULER, 10, r"Strength 0\.5 starts at t=707 \(t 0\.707\)"),
    "nfe-unlike-steps": case(HEUN, 10, "10 steps make 19 evaluations"),
    "noise-with-few-steps": case("euler_ancestral", 10, "adds fresh noise"),
    "ignored-entry": case(HEUN, 10, "does not take max_shift", {**SD3_CONFIG, "max_shift": 1.0}),
    "scheduler-refuses": case(EULER, 10, "Only one of", options={
        "use_karras_sigmas": True, "use_beta_sigmas": True
    }),
    "eta-ignored": case(EULER, 10, "eta=0.5", eta=0.5),
}  # fmt: skip

SILENT = {
    "shift-twice": case(EULER, 20, sigmas=EVEN.tolist()),
    "end-shifted-twice": case(EULER, 10, sigmas=np.linspace(1, 0.1, 10).tolist()),
    "shift-unused": case(EULER, 10),
    "mu-unlike-size": case(EULER, 10, "", FLUX, mu=1.15, tokens=4096),
    "mu-assumed": case(EULER, 10, "", FLUX, tokens=1024),
    "mu-unused": case(EULER, 10, "", FLUX, mu=1.15),
    "size-beyond-shift": case(EULER, 10, "", FLUX, tokens=4096),
    "mu-as-shift": case(EULER, 10, "", FLUX),
    "crowded-at-noise": case(EULER, 20),
    "curve-over-time": case(EULER, 20),
    "terminal-shift": case(EULER, 20),
    "times-rise": case(EULER, 10),
    "timestep-off-sigma": case(EULER, 10),
    "rounded-timesteps": case(EULER, 10),
    "starts-below-training": case(EULER, 10),
    "large-last-jump": case(EULER, 10),
    "repeated-sigma": case(EULER, 4, sigmas=[1.0, 0.5, 0.4, 0.1]),
    "not-as-trained": case(UNIPC, 10),
    "needs-distilled-model": case(EULER, 4),
    "img2img-start": case(EULER, 10, "", PLAIN),
    "nfe-unlike-steps": case(EULER, 10),
    "noise-with-few-steps": case("euler_ancestral", 30),
    "ignored-entry": case(UNIPC, 10),
    "scheduler-refuses": case(EULER, 10, options={"use_karras_sigmas": True}),
    "eta-ignored": case("ddim", 10, eta=0.0),
}


def findings(rule, name, num_steps, asked):
    table = sdlab.lint(name, num_steps, **asked)
    return table.loc[table["rule"] == rule, "message"].tolist()


@pytest.mark.parametrize("rule", FIRES)
def test_fires(rule):
    name, num_steps, says, asked = FIRES[rule]
    found = findings(rule, name, num_steps, asked)
    assert any(re.search(says, message) for message in found), found


@pytest.mark.parametrize("rule", SILENT)
def test_does_not_fire(rule):
    name, num_steps, _, asked = SILENT[rule]
    assert findings(rule, name, num_steps, asked) == []


def test_every_rule_of_this_path_has_both():
    own = {r.id for r in registry.all_rules().values() if r.paths == ("flow",)}
    assert own <= set(FIRES) and set(FIRES) == set(SILENT)


@pytest.mark.parametrize("name", [*sorted(flow_classes()), *sorted(solvers())])
def test_what_stable_diffusion_alone_has_is_not_said(name):
    found = sdlab.lint(name, 8, config=SD3_CONFIG)
    rules = registry.all_rules()
    assert all("flow" in rules[one].paths for one in found["rule"])
    wrong = set(found["rule"][found["severity"] == "error"])
    # Its weights are ComfyUI's, which do not add up to 1 where strides have no constant ratio.
    assert wrong == ({"solver-off-level"} if name == "ipndm_v" else set()), found[
        "message"
    ].tolist()
    assert not found["message"].str.contains("nan|inf", regex=True).any()
    assert not {"spacing-mismatch", "step-fails"} & set(found["rule"])


@pytest.mark.parametrize("name", sorted(flow_classes()))
def test_every_scheduler_ends_each_step_where_the_next_begins(name):
    course = sdlab.course(name, 10, config=SD3_CONFIG)
    done = rehearse(course, None, course.sigmas[0])
    assert len(done.ends) == course.nfe and not done.error
    tolerance = 0.06 if done.stochastic else 1e-3
    np.testing.assert_allclose(done.ends[:-1], course.sigmas[1:], rtol=tolerance)
    np.testing.assert_allclose(done.ends[-1], course.end, rtol=tolerance, atol=1e-4)


@pytest.mark.parametrize("shift", [0.4, 1.0, 3.0, math.exp(1.15), 12.0])
def test_the_shift_of_times_is_found_again(shift):
    assert implied_shift(shifted(EVEN, shift)) == pytest.approx(shift, rel=0.01)


def test_times_of_another_law_have_no_shift():
    assert implied_shift(np.array([1.0, 0.9, 0.2, 0.15, 0.1])) is None
    assert implied_shift(EVEN[:3]) is None


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"sigmas": [1.0, 0.5]}, "sigmas must be 4 numbers above 0 up to 1"),
        ({"sigmas": [2.0, 1.0, 0.5, 0.1]}, "sigmas must be 4 numbers above 0 up to 1"),
        ({"mu": 100.0}, "mu must be a number from -20 to 20, got 100"),
        ({"config": {**SD3_CONFIG, "shift": 0.0}}, "shift must be a number between 0 and 1000"),
    ],
)
def test_what_is_handed_over_is_checked(asked, message):
    with pytest.raises(ValueError, match=message):
        sdlab.lint(EULER, 4, **{"config": SD3_CONFIG, **asked})


def test_a_solver_of_ours_takes_no_timesteps():
    with pytest.raises(ValueError, match="solver 'euler' takes no timesteps of its own"):
        sdlab.lint("euler", 2, config=SD3_CONFIG, timesteps=[900, 500])


@pytest.mark.parametrize("shift", [1, 1.15, 2, 2.5, 3, 4, 5, 7, 12])
@pytest.mark.parametrize("steps", [2, 4, 10, 19])
def test_rounding_is_no_fresh_noise(shift, steps):
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": float(shift)}
    for name in ("FlowMatchEulerDiscreteScheduler", "euler"):
        assert "noise-with-few-steps" not in set(sdlab.lint(name, steps, config=config)["rule"])
    told = sdlab.lint("euler_ancestral", steps, config=config)["rule"]
    assert steps < 3 or "noise-with-few-steps" in set(told)
