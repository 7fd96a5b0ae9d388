"""Evaluations after a picture, counted before a run, are those that it makes."""

import diffusers
import pytest
from PIL import Image

import sdlab
from sdlab.sampling.evaluations import expected_evaluations
from tests import flow
from tests.conftest import make_pipeline
from tests.zoo import pipelines as zoo

SCENE = Image.linear_gradient("L").resize((64, 64)).convert("RGB")


@pytest.fixture(scope="module")
def models():
    names = {"sdxl": "StableDiffusionXLPipeline", "flux": "FluxPipeline"}
    made = {short: zoo.build(name)[0] for short, name in names.items()}
    made |= {"sd1": make_pipeline(), "sd3": flow.sd3()}
    return {name: sdlab.load(pipe) for name, pipe in made.items()}


CASES = [
    ("sd1", "DDIMScheduler", 5, 0.5),
    ("sd1", "PNDMScheduler", 6, 0.5),
    ("sd1", "dpmpp_2m", 10, 0.33),
    ("sdxl", "heun", 5, 0.5),
    ("sdxl", "HeunDiscreteScheduler", 5, None),
    ("sd3", "euler", 5, 0.1),
    ("sd3", "FlowMatchHeunDiscreteScheduler", 5, 0.5),
    ("flux", "heun", 4, 0.9),
    ("flux", "FlowMatchEulerDiscreteScheduler", 5, None),
]
MORE = [
    ("sd1", "heun", 4, 0.5),
    ("sd1", "HeunDiscreteScheduler", 5, 0.5),
    ("sd1", "KDPM2DiscreteScheduler", 5, 0.7),
    ("sd1", "ddim", 5, None),
    ("sdxl", "ddim", 5, 0.5),
    ("sd3", "heun", 4, 0.5),
    ("sd3", "dpmpp_2m", 5, None),
    ("flux", "euler", 5, 0.5),
    ("flux", "heun", 5, 0.5),
]
CASES += [pytest.param(*case, marks=pytest.mark.every) for case in MORE]


@pytest.mark.parametrize(("name", "solver", "num_steps", "strength"), CASES)
def test_what_is_planned_is_made(models, name, solver, num_steps, strength):
    model = models[name]
    asked = sdlab.Experiment(
        "a parrot", solver=solver, num_steps=num_steps, image=SCENE, strength=strength
    )
    plan, steps = sdlab.plan(model, asked), sdlab.run(model, asked).steps
    assert plan.nfe == len(steps)
    assert list(plan.steps) == steps["step"].tolist()
    assert list(plan.timesteps) == pytest.approx(steps["timestep"].tolist(), rel=1e-5)
    cls = plan.call.cls
    assert expected_evaluations(asked, model.scheduler_config, cls) == plan.nfe


@pytest.mark.parametrize(("num_steps", "strength"), [(5, 0.1), (3, 0.3), (49, 0.02), (7, 0.05)])
def test_a_strength_of_no_steps_is_refused_with_one_that_has_some(models, num_steps, strength):
    asked = sdlab.Experiment(
        "a parrot", solver="ddim", num_steps=num_steps, image=SCENE, strength=strength
    )
    with pytest.raises(
        ValueError, match=f"^{num_steps} steps at strength {strength} are 0"
    ) as said:
        sdlab.run(models["sd1"], asked)
    words = str(said.value).rstrip(".").split()
    enough, steps = float(words[words.index("least") + 2]), int(words[-2])
    assert sdlab.plan(models["sd1"], asked.with_(strength=enough)).nfe == 1
    assert sdlab.plan(models["sd1"], asked.with_(num_steps=steps)).nfe == 1


def test_it_says_what_is_enough(models):
    asked = sdlab.Experiment("a parrot", solver="euler", num_steps=5, image=SCENE, strength=0.1)
    said = "5 steps at strength 0.1 are 0 steps; give at least strength 0.2 or 10 steps."
    with pytest.raises(ValueError, match=said):
        sdlab.plan(models["sd1"], asked)


def test_where_a_refiner_begins_counts_and_not_its_strength(models):
    asked = sdlab.Experiment(
        "a parrot",
        solver="DDIMScheduler",
        num_steps=10,
        image=SCENE,
        strength=0.3,
        pipeline_options={"denoising_start": 0.5},
    )
    assert sdlab.plan(models["sdxl"], asked).nfe == len(sdlab.run(models["sdxl"], asked).steps) > 3


ENDS = [
    ("EulerDiscreteScheduler", {"denoising_end": 0.6}, None),
    ("HeunDiscreteScheduler", {"denoising_end": 0.75}, None),
    ("heun", {"denoising_end": 0.5}, None),
    ("DDIMScheduler", {"denoising_end": 0.8, "denoising_start": 0.4}, SCENE),
    ("ddim", {"denoising_end": 0.9}, SCENE),
    ("DDIMScheduler", {"denoising_end": 1.0}, None),
]


@pytest.mark.parametrize(("solver", "options", "image"), ENDS)
def test_what_is_left_to_a_refiner_is_not_counted(models, solver, options, image):
    model = models["sdxl"]
    asked = sdlab.Experiment(
        "a parrot", solver=solver, num_steps=8, image=image, pipeline_options=options
    )
    plan, steps = sdlab.plan(model, asked), sdlab.run(model, asked).steps
    whole = sdlab.plan(model, asked.with_(pipeline_options={})).course.nfe
    assert plan.nfe == len(steps) and (plan.nfe < whole or options["denoising_end"] == 1)
    assert list(plan.timesteps) == pytest.approx(steps["timestep"].tolist(), rel=1e-5)
    assert list(plan.steps) == steps["step"].tolist()
    assert expected_evaluations(asked, model.scheduler_config, plan.call.cls) == plan.nfe


def test_an_end_before_the_first_step_is_refused_with_one_behind_it(models):
    asked = sdlab.Experiment(solver="DDIMScheduler", num_steps=4, image=SCENE)
    options = {"denoising_start": 0.6, "denoising_end": 0.5}
    with pytest.raises(ValueError, match=r"denoising_end 0.5 leaves none of 4 steps") as said:
        sdlab.plan(models["sdxl"], asked.with_(pipeline_options=options))
    least = float(str(said.value).rstrip(".").split()[-1])
    enough = {**options, "denoising_end": least + 0.01}
    assert sdlab.plan(models["sdxl"], asked.with_(pipeline_options=enough)).nfe == 1


def test_a_class_that_leaves_out_no_steps_makes_all():
    cls = diffusers.LatentConsistencyModelImg2ImgPipeline
    asked = sdlab.Experiment("a parrot", solver="euler", num_steps=4, image=SCENE, strength=0.5)
    assert expected_evaluations(asked, make_pipeline().scheduler.config, cls) == 4


def test_an_unknown_option_is_told_those_that_an_experiment_can_give(models):
    asked = sdlab.Experiment("a parrot", num_steps=2, pipeline_options={"foo": 1})
    with pytest.raises(ValueError, match="Unknown argument of .*'foo'.*clip_skip") as said:
        sdlab.plan(models["sd1"], asked)
    valid = set(str(said.value).rstrip(".").split("Valid: ")[1].split(", "))
    assert valid <= set(models["sd1"].options)
