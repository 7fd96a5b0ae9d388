"""The times that are planned are those of the run, in every flow-matching pipeline."""

import numpy as np
import pytest
import torch

import sdlab
from sdlab.solvers.pipeline_times import handed_mu, handed_times
from tests import flow
from tests.sampling.test_euler_in_flow_pipelines import is_flows
from tests.zoo.chosen import FEW, cases
from tests.zoo.experiments import NotAsked, experiment
from tests.zoo.pipelines import CLASSES, RUNS, build

EULER = "FlowMatchEulerDiscreteScheduler"
NOT_KNOWN = {
    "Ideogram4Pipeline": "its times go by height and width",
    "LTXConditionPipeline": "it hands timesteps over in the place of times",
    "QwenImage21Pipeline": "its own config may hold times",
}
MU_NOT_KNOWN = {
    **NOT_KNOWN,
    "BriaPipeline": "it draws twice the size that its factor tells",
    "HiDreamImagePipeline": "mu goes by its transformer's longest sequence",
    "Krea2Pipeline": "its own config may fix mu",
    "LongCatImageEditPipeline": "it draws another size than is asked for",
    "Lumina2Pipeline": "it takes the channels for the tokens",
    "QwenImageEditInpaintPipeline": "it draws another size than is asked for",
    "QwenImageLayeredPipeline": "mu goes by the picture that it is given",
}
BY_FRAMES = ("LTXImageToVideoPipeline",)
"""Each frame has a time of its own, and the run tells no sigma."""


def planned_and_run(name, dynamic):
    """Return the planned sigmas of 6 steps, None if not known, and the run's."""
    pipe, arguments = build(name)
    pipe.scheduler.register_to_config(use_dynamic_shifting=dynamic)
    model = sdlab.load(pipe)
    try:
        asked = experiment(pipe, arguments).with_(num_steps=6, solver=EULER)
    except NotAsked as why:
        pytest.skip(f"no experiment holds {why}")
    course = sdlab.plan(model, asked).course
    if course is None:
        return None, None
    sigmas = sdlab.run(model, asked).steps["sigma"].to_numpy()
    return np.array(course.sigmas)[-len(sigmas) :], sigmas


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("name", cases([name for name in RUNS if is_flows(name)], FEW))
def test_the_planned_times_are_those_of_the_run(name, dynamic):
    try:
        planned, run = planned_and_run(name, dynamic)
    except (sdlab.SdlabError, ValueError) as refused:
        assert dynamic and "`mu` must be passed" in str(refused)
        return
    known = name not in (MU_NOT_KNOWN if dynamic else NOT_KNOWN)
    assert (planned is not None) == known
    if known and name not in BY_FRAMES:
        np.testing.assert_allclose(planned, run, rtol=1e-3)


def test_z_image_hands_its_times_over():
    found = [cls for name, cls in CLASSES.items() if name.startswith("ZImage")]
    assert len(found) > 3
    for cls in found:
        assert handed_times(cls, 4) == pytest.approx([1.0, 0.75, 0.5, 0.25])


@pytest.mark.parametrize("name", [name for name in CLASSES if name.startswith("Flux2")])
def test_flux_2_s_mu_is_its_own(name):
    from diffusers.pipelines.flux2.pipeline_flux2 import compute_empirical_mu

    for tokens, steps in ((16, 6), (4096, 50), (6400, 28)):
        own = compute_empirical_mu(tokens, steps)
        assert handed_mu(CLASSES[name], steps, {"shift": 3.0}, tokens) == pytest.approx(own)


def test_lint_takes_the_pipeline_s_mu():
    config = {"_class_name": EULER, "use_dynamic_shifting": True}
    cls = CLASSES["Flux2Pipeline"]
    own = handed_mu(cls, 10, config, 1024)
    told = sdlab.lint(EULER, 10, config=config, tokens=1024, mu=own, pipeline=cls)
    assert "mu-unlike-size" not in set(told["rule"])
    assert "mu-unlike-size" in set(
        sdlab.lint(EULER, 10, config=config, tokens=1024, mu=own)["rule"]
    )


@pytest.mark.parametrize(
    "name", cases(["FluxPipeline", "ZImagePipeline", "StableDiffusion3Pipeline"], {"FluxPipeline"})
)
def test_a_run_s_noise_is_found_by_inversion(name):
    pipe = flow.sd3() if name == "StableDiffusion3Pipeline" else build(name)[0]
    model = sdlab.load(pipe)
    size = {"width": 64, "height": 64, "guidance_scale": 1.0}
    run = sdlab.run(model, sdlab.Experiment("a red car", solver="euler", num_steps=6, **size))
    told = {"num_steps": 6, "method": "fixed_point", "iterations": 20}
    found = sdlab.invert(model, run.latents, "a red car", **told)
    start = run.trace.x_t[0].float()
    assert torch.linalg.norm(found.noise[0].cpu() - start) / torch.linalg.norm(start) < 1e-4
