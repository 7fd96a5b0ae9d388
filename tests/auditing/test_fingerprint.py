"""Which known samplers a sampler equals."""

import pytest

from sdlab.auditing import fingerprint
from sdlab.auditing.fingerprint import matches
from sdlab.auditing.named import subject_of
from tests.auditing import samplers


def texts(sampler, options=None):
    return [match.text for match in matches(subject_of(sampler, options))]


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Compare with sdlab's own and three of diffusers: to find out who can sample takes seconds."""
    names = ("DDPMScheduler", "HeunDiscreteScheduler", "DPMSolverMultistepScheduler")
    classes = fingerprint.adapter.scheduler_classes()
    found = {name: classes[name] for name in names}
    monkeypatch.setattr(fingerprint.adapter, "compatible_classes", lambda: found)
    monkeypatch.setattr(fingerprint, "flow_classes", dict)


@pytest.mark.parametrize(
    ("sampler", "same"),
    [
        (samplers.sample_euler, {"euler", "ddim"}),
        (samplers.sample_heun, {"heun", "HeunDiscreteScheduler"}),
        (samplers.sample_dpmpp_2m, {"dpmpp_2m", "DPMSolverMultistepScheduler"}),
        (samplers.sample_ancestral, {"euler_ancestral", "ddpm", "ddim {eta=1.0}", "DDPMScheduler"}),
    ],
)
def test_a_function_equals_the_same_method_under_any_name(sampler, same):
    found = texts(sampler)
    assert same <= set(found)
    assert not {"lms", "deis", "unipc", "dpm_2", "plms"} & set(found)


def test_with_its_noise_off_it_equals_another():
    found = texts("dpmpp_2m_sde")
    assert "dpmpp_2m with the noise off" in found and "dpmpp_2m" not in found
    assert "DPMSolverMultistepScheduler {algorithm_type=sde-dpmsolver++}" in found
    quiet = texts(samplers.sample_ancestral, {"eta": 0.0})
    assert {"euler", "euler_ancestral with the noise off"} <= set(quiet)


def test_one_that_differs_in_a_weight_is_not_the_same():
    assert texts(samplers.sample_heunpp2) == ["heunpp2"]
    assert texts("gradient_estimation", {"gamma": 1.7}) == []
    strong = texts(samplers.sample_ancestral, {"s_noise": 1.001})
    assert "euler_ancestral" not in strong
    assert "euler_ancestral but for its draws" in strong


def test_every_known_sampler_equals_itself():
    for known in fingerprint.knowns():
        found = [match.name for match in matches(known.subject) if not match.way]
        assert known.name in found
