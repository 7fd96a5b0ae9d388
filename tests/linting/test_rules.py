"""Every rule on real schedulers and solvers: one course at which it fires, one at which not."""

import re
import sys

import pytest

import sdlab
from sdlab.linting import registry, rules
from sdlab.solvers.from_diffusers import SD_CONFIG
from sdlab.solvers.registry import _SOLVERS, solvers

DDIM, EULER, PNDM = "DDIMScheduler", "EulerDiscreteScheduler", "PNDMScheduler"
DPM, DEIS, UNIPC = (
    "DPMSolverMultistepScheduler",
    "DEISMultistepScheduler",
    "UniPCMultistepScheduler",
)
HEUN, KDPM2, LCM = "HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "LCMScheduler"
ANCESTRAL = "EulerAncestralDiscreteScheduler"

LINSPACE = {"timestep_spacing": "linspace"}
TRAILING = {"timestep_spacing": "trailing"}
KARRAS = {"use_karras_sigmas": True}
NAN = {**KARRAS, "solver_order": 3, "final_sigmas_type": "sigma_min", "lower_order_final": False}
ZERO = {**SD_CONFIG, "rescale_betas_zero_snr": True}
ZERO_V = {**ZERO, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}
SAMPLE = {**SD_CONFIG, "prediction_type": "sample"}


def case(name, num_steps, says="", **asked):
    return name, num_steps, says, asked


FIRES = {
    "spacing-mismatch": case(DDIM, 10, "^9 of 9 transitions", options=LINSPACE),
    "solver-off-level": case("half_a_step", 8, "sigma .* for", curve="karras"),
    "starts-below-training": case(EULER, 10, r"sigma 8\.39 \(t=901\).*14\.6"),
    "start-scale": case(EULER, 10, r"8\.45 where sigma is 8\.391: 0\.7% more"),
    "leading-offset": case(DDIM, 10, "at t=0", options={"steps_offset": 0}),
    "img2img-start": case(PNDM, 20, "t=826", options={"skip_prk_steps": False}),
    "not-finite": case(DPM, 10, "not finite", options=NAN),
    "repeated-sigma": case(
        DPM, 20, r"0\.02917 to 0\.02917", options={**KARRAS, "final_sigmas_type": "sigma_min"}
    ),
    "ends-above-zero": case(DEIS, 20, r"0\.0292"),
    "sigma-out-of-range": case(
        EULER, 20, "sigma 80", options={**KARRAS, "sigma_max": 80.0, "sigma_min": 0.002}
    ),
    "large-step": case("euler", 3, "Step 1 .*ratio", curve="karras"),
    "large-last-jump": case(DPM, 10, r"0\.344 to 0", options=LINSPACE),
    "hidden-latent-scale": case(UNIPC, 10, r"\.sigmas starts at"),
    "ve-latents": case(EULER, 10, r"8\.45"),
    "duplicate-timesteps": case(DPM, 50, "^49 different timesteps for 50", options=KARRAS),
    "rounded-timesteps": case(DPM, 50, r"by up to 0\.49", options=KARRAS),
    "timestep-off-sigma": case(EULER, 20, "off", options={"interpolation_type": "log_linear"}),
    "terminal-snr": case(DDIM, 10, r"alpha_bar of t=999 is 0\.00466: sigma 14\.61"),
    "sigma-clamped": case(EULER, 10, "sigma 4096 for infinity", config=ZERO_V),
    "zero-snr-epsilon": case(
        DDIM, 10, "divides by zero", config={**ZERO_V, "prediction_type": "epsilon"}
    ),
    "zero-snr-spacing": case(DDIM, 10, "t=901", config={**ZERO_V, "timestep_spacing": "leading"}),
    "zero-snr-guidance": case(DDIM, 10, "guidance_scale is 7.5", config=ZERO_V, guidance_scale=7.5),
    "nfe-unlike-steps": case(HEUN, 20, "20 steps make 39 evaluations"),
    "sigmas-unlike-timesteps": case(KDPM2, 10, "22 sigmas for 19 timesteps"),
    "order-lowered": case(DEIS, 14, "below order 2"),
    "order-not-lowered": case(DEIS, 10, "order 2", options={"lower_order_final": False}),
    "order-flag-idle": case(DEIS, 15, "At 15 steps", options={"lower_order_final": True}),
    "noise-with-few-steps": case(ANCESTRAL, 10, "of the noise in a step"),
    "needs-distilled-model": case(LCM, 4, "consistency model"),
    "spacing-ignored": case(LCM, 10, "same timesteps with every spacing", options=TRAILING),
    "option-without-effect": case(EULER, 20, "sigma_max=20", options={"sigma_max": 20.0}),
    "clip-sample": case(DDIM, 10, r"-1 \.\.\. 1", options={"clip_sample": True}),
    "thresholding": case(DPM, 10, "99.5% quantile", options={"thresholding": True}),
    "unknown-entry": case(
        EULER, 10, "mean 'timestep_spacing'", config={**SD_CONFIG, "timestep_spaceing": "linspace"}
    ),
    "ignored-entry": case(EULER, 10, "does not take .*skip_prk_steps"),
    "prediction-type-refused": case(PNDM, 10, "'sample': ValueError", config=SAMPLE),
    "step-fails": case("takes_one_number", 5, "only one element"),
    "scheduler-refuses": case(EULER, 5, "Only one of", options={**KARRAS, "use_beta_sigmas": True}),
    "eta-ignored": case(EULER, 20, "eta=0.5", eta=0.5),
    "not-as-trained": case(EULER, 20, "largest sigma", options={"beta_schedule": "linear"}),
}

SILENT = {
    "spacing-mismatch": case(DDIM, 10),
    "solver-off-level": case("heun", 8, curve="karras"),
    "starts-below-training": case(EULER, 10, options=TRAILING),
    "start-scale": case(EULER, 10, options=LINSPACE),
    "leading-offset": case(DDIM, 10),
    "img2img-start": case(DDIM, 20),
    "not-finite": case(DPM, 10, options={**NAN, "final_sigmas_type": "zero"}),
    "repeated-sigma": case("restart", 20, curve="karras"),
    "ends-above-zero": case(EULER, 20),
    "sigma-out-of-range": case(EULER, 20, options=KARRAS),
    "large-step": case("euler", 10, curve="karras"),
    "large-last-jump": case(EULER, 10, options=LINSPACE),
    "hidden-latent-scale": case(EULER, 10),
    "ve-latents": case(UNIPC, 10),
    "duplicate-timesteps": case(EULER, 50, options=KARRAS),
    "rounded-timesteps": case(EULER, 50, options=KARRAS),
    "timestep-off-sigma": case(EULER, 20, options=LINSPACE),
    "terminal-snr": case(DDIM, 10, config=ZERO_V),
    "sigma-clamped": case(DDIM, 10, config=ZERO_V),
    "zero-snr-epsilon": case(DDIM, 10, config=ZERO_V),
    "zero-snr-spacing": case(DDIM, 10, config=ZERO_V),
    "zero-snr-guidance": case(DDIM, 10, config=ZERO_V, guidance_scale=7.5, guidance_rescale=0.7),
    "nfe-unlike-steps": case(EULER, 20),
    "sigmas-unlike-timesteps": case(HEUN, 10),
    "order-lowered": case(DEIS, 15),
    "order-not-lowered": case(DEIS, 20, options={"lower_order_final": False}),
    "order-flag-idle": case(DEIS, 14, options={"lower_order_final": True}),
    "noise-with-few-steps": case(ANCESTRAL, 30),
    "needs-distilled-model": case(EULER, 4),
    "spacing-ignored": case(DDIM, 10, options=TRAILING),
    "option-without-effect": case(DPM, 20, options={"solver_order": 3}),
    "clip-sample": case(DPM, 10, config={**SD_CONFIG, "clip_sample": True}),
    "thresholding": case(DPM, 10, options={"thresholding": False}),
    "unknown-entry": case(EULER, 10, config={**SD_CONFIG, "_class_name": EULER}),
    "ignored-entry": case(EULER, 10, config={"beta_schedule": "scaled_linear"}),
    "prediction-type-refused": case(DDIM, 10, config=SAMPLE),
    "step-fails": case("heun", 5),
    "scheduler-refuses": case(EULER, 5, options=KARRAS),
    "eta-ignored": case(DDIM, 20, eta=0.5),
    "not-as-trained": case(EULER, 20, options={"beta_schedule": "scaled_linear"}),
}


@pytest.fixture(autouse=True)
def broken_solvers():
    """Two solvers as a person may write them by mistake."""
    before = solvers()

    @sdlab.solver("half_a_step")
    def half_a_step(x, sigmas, noise):
        for sigma, sigma_next in zip(sigmas, sigmas[1:], strict=False):
            x = x + 0.5 * (sigma_next - sigma) * (x - (yield x, sigma)) / sigma
        return x

    @sdlab.solver("takes_one_number")
    def takes_one_number(x, sigmas, noise):
        for sigma in sigmas[:-1]:
            x = x * 0 + float((yield x, sigma))
        return x

    yield
    _SOLVERS.clear()
    _SOLVERS.update(before)


def findings(rule, name, num_steps, asked):
    table = sdlab.lint(name, num_steps, **asked)
    return table[table["rule"] == rule]


@pytest.mark.parametrize("rule", FIRES)
def test_fires(rule):
    name, num_steps, says, asked = FIRES[rule]
    found = findings(rule, name, num_steps, asked)
    assert len(found) >= 1
    assert any(re.search(says, message) for message in found["message"]), found["message"].tolist()


@pytest.mark.parametrize("rule", SILENT)
def test_does_not_fire(rule):
    name, num_steps, _, asked = SILENT[rule]
    assert findings(rule, name, num_steps, asked)["message"].tolist() == []


def test_every_rule_has_both():
    ids = {one.id for one in registry.all_rules().values() if "vp" in one.paths}
    assert set(FIRES) == ids and set(SILENT) == ids


RULE = """
from sdlab.linting.registry import Finding, rule

@rule("odd-steps", "note", explanation="a", details="b", fix="c", source="d")
def odd_steps(subject):
    if subject.num_steps % 2:
        yield Finding(f"{subject.num_steps} is odd.")
"""


def test_rules_added_as_one_file_are_found(tmp_path, monkeypatch):
    (tmp_path / "oddities.py").write_text(RULE)
    package = sys.modules["sdlab.linting"]
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.setattr(registry, "_RULES", dict(registry._RULES))
    try:
        assert findings("odd-steps", "euler", 5, {})["message"].tolist() == ["5 is odd."]
        assert "oddities" in set(rules()["theme"])
    finally:
        sys.modules.pop("sdlab.linting.oddities", None)
