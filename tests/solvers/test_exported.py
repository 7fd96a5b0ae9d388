"""Solvers of ours in diffusers' own pipelines, built tiny, against diffusers' own schedulers."""

import copy
import inspect
import pickle

import numpy as np
import pytest
import torch
from diffusers import (
    AnimateDiffVideoToVideoPipeline,
    DDIMScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    MotionAdapter,
    StableDiffusionDiffEditPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionLatentUpscalePipeline,
    StableDiffusionPanoramaPipeline,
    StableDiffusionPipeline,
    StableDiffusionSAGPipeline,
)
from diffusers.schedulers import KarrasDiffusionSchedulers

import sdlab
from sdlab.errors import ModelError
from sdlab.solvers.as_diffusers import SolverScheduler
from sdlab.solvers.registry import solvers
from tests.conftest import SD_SCHEDULER, make_pipeline
from tests.tracing.every_pipeline import build
from tests.tracing.pipelines import MASK, PICTURE
from tests.zoo.chosen import OWN, cases

pytestmark = pytest.mark.slow

NAMES = sorted(set(solvers()) - {"edm_stochastic"})
WITH_MEMORY = {
    *("deis", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_3m_sde", "er_sde", "gradient_estimation"),
    *("heunpp2", "ipndm", "ipndm_v", "lms", "o_belm", "plms", "res_multistep", "restart"),
    *("sa_solver", "sa_solver_pece", "unipc"),
}
CONFIG = {**SD_SCHEDULER, "set_alpha_to_one": True}  # our ddim ends at no noise
LEADING = {**SD_SCHEDULER, "timestep_spacing": "leading"}
THEIRS = {
    "ddim": lambda: DDIMScheduler(**CONFIG),
    "euler": lambda: EulerDiscreteScheduler(**known(EulerDiscreteScheduler)),
    "heun": lambda: HeunDiscreteScheduler(**known(HeunDiscreteScheduler)),
}


def known(cls):
    return {k: v for k, v in LEADING.items() if k in cls().config}


def own(name, **more):
    return sdlab.as_diffusers_scheduler(name, config={**LEADING, **more})


def pictures(pipe, prompt="a car", **arguments):
    pipe.set_progress_bar_config(disable=True)
    made = pipe(
        **{
            "prompt": prompt,
            "num_inference_steps": 4,
            "guidance_scale": 3.0,
            "generator": torch.Generator().manual_seed(1),
            "output_type": "latent",
            **arguments,
        },
    )
    return made.frames if hasattr(made, "frames") else made.images


def assert_same(ours, theirs):
    """Of the same operations in another order; a wrong start is off by the size of the latents."""
    size = float(theirs.abs().max()) if theirs.numel() else 0.0
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4 * size)


def loop(scheduler, x, timesteps, seed=0):
    """A pipeline's loop with a stand-in for the network."""
    extra = {}
    if "generator" in inspect.signature(scheduler.step).parameters:
        extra["generator"] = torch.Generator().manual_seed(seed)
    for t in timesteps:
        given = scheduler.scale_model_input(x, t)
        output = torch.tanh(given) * 0.9 + 0.01
        x = scheduler.step(output, t, x, **extra).prev_sample
    return x


def start():
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(7))


# Loops that begin midway


@pytest.mark.parametrize("name", NAMES)
def test_a_loop_that_begins_midway_begins_at_that_timestep(name):
    told, found = own(name), own(name)
    for scheduler in (told, found):
        scheduler.set_timesteps(8)
    first = 5 * told.order
    rest = told.timesteps[first:]
    if name in ("plms", "restart"):  # the one's first step is another, the other has gone up again
        with pytest.raises(ValueError, match=f"'{name}' cannot begin at evaluation {first}"):
            told.set_begin_index(first)
        return
    told.set_begin_index(first)
    assert torch.equal(loop(found, start(), rest), loop(told, start(), rest))
    assert found.step_index == len(found.timesteps)


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_a_loop_that_begins_midway_is_diffusers_own(name):
    ours, theirs = own(name), THEIRS[name]()
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(8)
    first = 5 * ours.order
    sigma = ours.sigmas[first]
    scale = 1.0 if name == "ddim" else (1 + sigma**2) ** 0.5  # Euler and Heun are in VE
    assert_same(
        loop(ours, start(), ours.timesteps[first:]),
        loop(theirs, start() * scale, theirs.timesteps[first:]),
    )


@pytest.mark.parametrize("timestep", [3, 1e6, -1.0])
def test_a_timestep_that_is_none_of_them_is_refused(timestep):
    scheduler = own("euler")
    scheduler.set_timesteps(4)
    with pytest.raises(ValueError, match=r"timestep must be one of scheduler.timesteps, got"):
        scheduler.step(start(), timestep, start())


def test_a_timestep_inside_a_step_is_refused():
    scheduler = own("dpm_2")
    scheduler.set_timesteps(4)
    with pytest.raises(ValueError, match="lies inside a step; steps begin at 0, 2, 4, 6"):
        scheduler.step(start(), scheduler.timesteps[1], start())


def test_only_a_solver_without_memory_jumps():
    ours, other = own("euler"), own("dpmpp_2m")
    for scheduler in (ours, other):
        scheduler.set_timesteps(4)
        scheduler.step(start(), scheduler.timesteps[0], start())
    again = ours.step(start(), ours.timesteps[0], start()).prev_sample
    fresh = own("euler")
    fresh.set_timesteps(4)
    assert torch.equal(again, fresh.step(start(), fresh.timesteps[0], start()).prev_sample)
    with pytest.raises(ValueError, match="is not the next one"):
        other.step(start(), other.timesteps[0], start())


@pytest.mark.parametrize("name", ["ddim", "euler", "heun", "dpmpp_2m"])
def test_before_set_timesteps(name):
    scheduler = own(name)
    assert torch.equal(scheduler.scale_model_input(start(), 5), start())
    with pytest.raises(ValueError, match="call set_timesteps before step"):
        scheduler.step(start(), 999, start())
    time = torch.tensor([10, 900])
    theirs = THEIRS["ddim"]().add_noise(start(), start().flip(0), time)
    torch.testing.assert_close(scheduler.add_noise(start(), start().flip(0), time), theirs)


# Copies


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_goes_on_from_where_it_was_made(name, how):
    scheduler = own(name)
    scheduler.set_timesteps(5)
    x, generator = start(), torch.Generator().manual_seed(3)
    for t in scheduler.timesteps[: 2 * scheduler.order + 1]:
        x = scheduler.step(torch.tanh(x), t, x, generator=generator).prev_sample
    copied, rest = how(scheduler), scheduler.timesteps[2 * scheduler.order + 1 :]
    assert torch.equal(loop(copied, x, rest), loop(scheduler, x, rest))
    how(scheduler)  # and after the end


@pytest.mark.parametrize("name", ["ddim", "heun"])
def test_panorama_copies_a_state_for_each_view(name):
    def made(scheduler):
        parts = {**make_pipeline().components, "scheduler": THEIRS["ddim"]()}
        pipe = StableDiffusionPanoramaPipeline(**parts, requires_safety_checker=False)
        pipe.scheduler = scheduler
        return pictures(pipe, height=64, width=576, num_inference_steps=2)

    assert_same(made(own(name)), made(THEIRS[name]()))


# Pipelines that begin midway or edit latents


@pytest.mark.parametrize("name", sorted(THEIRS))
@pytest.mark.parametrize("strength", [0.1, 0.6])
def test_img2img_is_diffusers_own(small, name, strength):
    """0.1 of 4 steps is none, of which the pipeline makes no picture, [0, 4, 16, 16]."""

    def made(scheduler):
        parts = {**small.pipeline.components, "scheduler": scheduler}
        pipe = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
        return pictures(pipe, image=PICTURE, strength=strength)

    ours = made(own(name))
    assert len(ours) == int(strength > 0.25)
    assert_same(ours, made(THEIRS[name]()))


@pytest.mark.parametrize("name", sorted(THEIRS))
@pytest.mark.parametrize("strength", [0.7, 1.0])
def test_inpainting_with_four_channels_is_diffusers_own(small, name, strength):
    def made(scheduler):
        parts = {**small.pipeline.components, "scheduler": scheduler}
        pipe = StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False)
        size = {"height": 128, "width": 128}
        return pictures(pipe, image=PICTURE, mask_image=MASK, strength=strength, **size)

    assert_same(made(own(name)), made(THEIRS[name]()))


@pytest.mark.parametrize("name", cases(NAMES, OWN))
def test_callbacks_may_edit_the_latents_of_a_solver_without_memory(small, name):
    def halve(pipe, step, timestep, tensors):
        return {"latents": tensors["latents"] * 0.5}

    parts = {**small.pipeline.components, "scheduler": own(name)}
    pipe = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    if name in WITH_MEMORY:
        with pytest.raises(ValueError, match="latents were changed between steps"):
            pictures(pipe, callback_on_step_end=halve)
        return
    edited = pictures(pipe, callback_on_step_end=halve)
    assert edited.isfinite().all() and not torch.allclose(edited, pictures(pipe))
    if name == "ddim":
        pipe.scheduler = THEIRS["ddim"]()
        assert_same(edited, pictures(pipe, callback_on_step_end=halve))


@pytest.mark.parametrize("name", ["ddim", "euler"])
def test_video_to_video_is_diffusers_own(small, name):
    def made(scheduler):
        torch.manual_seed(0)
        adapter = MotionAdapter(
            block_out_channels=(16, 32),
            motion_layers_per_block=1,
            motion_norm_num_groups=4,
            motion_num_attention_heads=2,
            use_motion_mid_block=False,
        )
        names = ("vae", "text_encoder", "tokenizer", "unet")
        parts = {part: small.pipeline.components[part] for part in names}
        pipe = AnimateDiffVideoToVideoPipeline(**parts, scheduler=scheduler, motion_adapter=adapter)
        video = [PICTURE.resize((64, 64))] * 2
        return pictures(pipe, video=video, strength=0.5, height=64, width=64)

    assert_same(made(own(name)), made(THEIRS[name]()))


@pytest.mark.parametrize("cls", [StableDiffusionDiffEditPipeline, StableDiffusionSAGPipeline])
def test_pipelines_that_reckon_with_alphas_cumprod_are_diffusers_own(cls):
    def made(scheduler):
        torch.manual_seed(0)
        pipe, arguments = build(cls, make_pipeline().components)
        pipe.scheduler = scheduler
        return pictures(pipe, **arguments)

    assert_same(made(own("ddim")), made(THEIRS["ddim"]()))


def test_a_pipeline_that_reckons_in_other_coordinates_is_refused():
    pipe, arguments = build(StableDiffusionLatentUpscalePipeline, make_pipeline().components)
    pipe.scheduler = own("euler")
    with pytest.raises(ValueError, match="reckons with latents in VE coordinates"):
        pictures(pipe, **arguments)


# Configs and folders


def test_compatible_classes_are_those_of_diffusers():
    assert {cls.__name__ for cls in own("ddim").compatibles} >= {
        scheduler.name for scheduler in KarrasDiffusionSchedulers
    } - {"DPMSolverSDEScheduler"}  # a dummy where torchsde is not installed


def test_from_config_takes_the_config_in_force(small):
    """The model's defaults are not this class's: linear betas up to 0.02, another spacing."""
    for theirs in (DDIMScheduler(), EulerDiscreteScheduler(steps_offset=1)):
        scheduler = SolverScheduler.from_config(theirs.config, solver="heun")
        exported = sdlab.as_diffusers_scheduler("heun", config=theirs.config)
        assert scheduler.config.beta_end == 0.02
        for found in (scheduler, exported):
            found.set_timesteps(5)
            np.testing.assert_allclose(found.alphas_cumprod, theirs.alphas_cumprod, rtol=1e-5)
        assert torch.equal(scheduler.timesteps, exported.timesteps)


def test_a_pipeline_completes_its_config(small):
    scheduler = own("ddim", steps_offset=0)
    parts = {**small.pipeline.components, "scheduler": scheduler}
    StableDiffusionPipeline(**parts, requires_safety_checker=False)
    scheduler.set_timesteps(4)
    assert scheduler.timesteps.tolist() == [751, 501, 251, 1]


@pytest.fixture
def saved(embedded, tmp_path):
    parts = {**embedded.pipeline.components, "scheduler": own("heun", timestep_spacing="trailing")}
    pipe = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    pipe.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_pipeline_opens_here_and_in_diffusers(saved):
    code = saved / "scheduler" / "sdlab.solvers.as_diffusers.py"
    code.write_text("raise SystemExit('ran')")
    opened = sdlab.load(saved, device="cpu")
    assert type(opened.pipeline.scheduler) is SolverScheduler
    assert opened.pipeline.scheduler.config.solver == "heun"
    assert opened.schedule.timestep_spacing == "trailing"
    run = sdlab.run(opened, sdlab.Experiment("a car", num_steps=1, model=str(saved)))
    assert run.latents.isfinite().all()
    code.unlink()
    theirs = StableDiffusionPipeline.from_pretrained(saved, safety_checker=None)
    assert type(theirs.scheduler) is SolverScheduler


@pytest.mark.parametrize(
    ("index", "config", "message"),
    [
        ('["sdlab.solvers.as_diffusers", "Other"]', None, "never code that comes with a model"),
        ('["sdlab", "SolverScheduler"]', None, "never code that comes with a model"),
        (None, '"solver": "not_here"', "Unknown solver 'not_here'"),
    ],
)
def test_what_else_it_names_is_refused(saved, index, config, message):
    path = saved / ("model_index.json" if index else "scheduler/scheduler_config.json")
    text = path.read_text()
    if index:
        entry = '[\n    "sdlab.solvers.as_diffusers",\n    "SolverScheduler"\n  ]'
        assert entry in text
        text = text.replace(entry, index)
    else:
        assert '"solver": "heun"' in text
        text = text.replace('"solver": "heun"', config)
    path.write_text(text)
    with pytest.raises(ModelError, match=message):
        sdlab.load(saved, device="cpu")
