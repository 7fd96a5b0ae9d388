"""Whatever a scheduler config leaves out, a run is what the model's own pipeline makes of it."""

import json
import shutil

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
)

import sdlab
from sdlab.models.model import Model
from sdlab.models.scheduler_config import COMPLETED, parameters
from sdlab.shipped import FOLDER as EMBEDDED
from sdlab.solvers.from_diffusers import SD_CONFIG, compatible_classes
from sdlab.solvers.probing import quiet
from tests.zoo.chosen import THEIRS

pytestmark = pytest.mark.slow

STEPS = 4
NAMES = sorted(compatible_classes())
# DPMSolverSDE's noise has a seed of its own, which the experiment sets.
CASES = [
    (name, key)
    for name in NAMES
    for key in parameters(compatible_classes()[name])
    if key != "noise_sampler_seed"
]


def pipeline_with(model, scheduler):
    parts = {**model.pipeline.components, "scheduler": scheduler}
    with quiet():
        pipeline = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def lacking(name, key, **entries):
    """A scheduler made from a whole config without one of its entries."""
    cls = compatible_classes()[name]
    with quiet():
        whole = {**cls.from_config(dict(SD_CONFIG)).config, **entries}
        return cls(**{k: v for k, v in whole.items() if k in parameters(cls) and k != key})


def public(scheduler):
    left_out = ("noise_sampler_seed",)
    return {k: v for k, v in scheduler.config.items() if k[0] != "_" and k not in left_out}


def scheduler_of(model, name):
    found = sdlab.course(name, STEPS, config=model.scheduler_config, schedule=model.schedule)
    return found.scheduler


def experiment(name):
    return sdlab.Experiment(prompt="a car", seed=3, solver=name, num_steps=STEPS, model="small")


def latents_of(pipeline, **extra):
    return pipeline(
        "a car",
        num_inference_steps=STEPS,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(3),
        output_type="latent",
        **extra,
    ).images


# KDPM2 takes a second to make, which is done several times.
OFTEN = [case for case in CASES if "KDPM2" not in case[0] or case[1] in COMPLETED]
SELDOM = [pytest.param(*case, marks=pytest.mark.every) for case in CASES if case not in OFTEN]


@pytest.mark.parametrize(("name", "key"), [*OFTEN, *SELDOM])
def test_the_scheduler_is_the_pipelines(small, name, key):
    """The same class with the same config makes the same picture, as test_parity shows."""
    pipeline = pipeline_with(small, lacking(name, key))
    theirs = pipeline.scheduler
    theirs.set_timesteps(STEPS)
    ours = scheduler_of(Model(pipeline, "small"), name)
    assert public(ours).items() >= public(theirs).items()
    assert torch.equal(ours.timesteps, theirs.timesteps)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        pytest.param(*case, marks=[pytest.mark.every] * (case[0] not in THEIRS))
        for case in CASES
        if case[1] in COMPLETED and "SDE" not in case[0]
    ],
)
def test_the_picture_is_the_pipelines(small, name, key):
    pipeline = pipeline_with(small, lacking(name, key, timestep_spacing="leading"))
    run = sdlab.run(Model(pipeline, "small"), experiment(name))
    assert torch.equal(run.latents, latents_of(pipeline))


@pytest.mark.parametrize("key", sorted(COMPLETED))
def test_other_classes_take_the_completed_entry_too(small, key):
    model = Model(pipeline_with(small, lacking("DDIMScheduler", key)), "small")
    for name in NAMES:
        if key in parameters(compatible_classes()[name]):
            assert scheduler_of(model, name).config[key] == COMPLETED[key]


def test_a_class_without_the_entry_leaves_it_complete(small):
    """DPM++ knows no clip_sample; a pipeline built with DDIM of its config does not clip."""
    model = Model(pipeline_with(small, DPMSolverMultistepScheduler(beta_end=0.012)), "small")
    built = pipeline_with(small, DDIMScheduler.from_config(model.pipeline.scheduler.config))
    built.scheduler.set_timesteps(STEPS)
    assert (
        scheduler_of(model, "DDIMScheduler").config.clip_sample
        is built.scheduler.config.clip_sample
        is False
    )


def test_own_ddim_and_diffusers_agree_within_a_model(small):
    lacks = lacking("DDIMScheduler", "steps_offset", set_alpha_to_one=True)
    model = Model(pipeline_with(small, lacks), "small")
    courses = [
        sdlab.course(name, STEPS, config=config).timesteps
        for name in ("ddim", "DDIMScheduler")
        for config in (model.scheduler_config, model.pipeline.scheduler.config, {"beta_end": 0.01})
    ]
    for timesteps in courses:
        assert timesteps == pytest.approx((751.0, 501.0, 251.0, 1.0))
    runs = [sdlab.run(model, experiment(name)).latents for name in ("ddim", "DDIMScheduler")]
    torch.testing.assert_close(*runs, rtol=0, atol=1e-4)


def test_what_was_changed_later_is_no_default(small):
    """from_config drops what a person registered; the pipeline in memory runs with it."""
    pipeline = pipeline_with(small, lacking("EulerDiscreteScheduler", "timestep_spacing"))
    pipeline.scheduler.register_to_config(timestep_spacing="trailing")
    run = sdlab.run(Model(pipeline, "small"), experiment("EulerDiscreteScheduler"))
    assert torch.equal(run.latents, latents_of(pipeline))


def test_a_scheduler_put_in_later_is_not_completed(small):
    pipeline = pipeline_with(small, DDIMScheduler(**SD_CONFIG_FOR_DDIM))
    pipeline.scheduler = DDIMScheduler(**{**SD_CONFIG_FOR_DDIM, "steps_offset": 0})
    run = sdlab.run(Model(pipeline, "small"), experiment("DDIMScheduler"))
    assert torch.equal(run.latents, latents_of(pipeline))


SD_CONFIG_FOR_DDIM = {k: v for k, v in SD_CONFIG.items() if k in parameters(DDIMScheduler)}


@pytest.mark.parametrize("cls", [DDIMScheduler, EulerDiscreteScheduler])
def test_a_folder_is_completed_too(tmp_path, cls):
    folder = shutil.copytree(EMBEDDED, tmp_path / "model")
    path = folder / "scheduler" / "scheduler_config.json"
    config = json.loads(path.read_text())
    stripped = {k: v for k, v in config.items() if k not in COMPLETED}
    path.write_text(json.dumps({**stripped, "timestep_spacing": "leading"}))
    model = sdlab.load(folder, device="cpu")
    wanted = experiment(cls.__name__).with_(num_steps=2, model=str(folder))
    pipeline = StableDiffusionPipeline(
        **{**model.pipeline.components, "scheduler": cls.from_config(model.scheduler_config)},
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        "a car",
        num_inference_steps=2,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(3),
        output_type="latent",
    ).images
    assert torch.equal(sdlab.run(model, wanted).latents, theirs)
