"""Driven alone, every scheduler gives StableDiffusionPipeline's own latents, bit for bit."""

from itertools import product

import pytest
import torch
from diffusers import StableDiffusionPipeline

import sdlab
from sdlab.models.model import Model
from sdlab.solvers.catalogue import valid_names
from sdlab.solvers.from_diffusers import compatible_classes, scheduler_curves
from tests.conftest import make_pipeline
from tests.zoo.chosen import OWN, THEIRS, cases

pytestmark = pytest.mark.slow

NAMES = sorted(compatible_classes())
SIZES = {"square": (64, 64), "wide": (96, 56)}


def plain(model, experiment, **extra):
    """The plain diffusers pipeline with a fresh scheduler."""
    cls = compatible_classes()[experiment.solver]
    if experiment.solver == "DPMSolverSDEScheduler":
        # Without a seed it draws one from the global generator; ours gives it the experiment's.
        extra["noise_sampler_seed"] = experiment.seed
    scheduler = cls.from_config(model.pipeline.scheduler.config, **extra)
    parts = {**model.pipeline.components, "scheduler": scheduler}
    pipeline = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    latents = pipeline(
        experiment.prompt,
        negative_prompt=experiment.negative_prompt,
        num_inference_steps=experiment.num_steps,
        guidance_scale=experiment.guidance_scale,
        guidance_rescale=experiment.guidance_rescale,
        eta=experiment.eta or 0.0,
        width=experiment.width,
        height=experiment.height,
        generator=torch.Generator().manual_seed(experiment.seed),
        output_type="latent",
    ).images
    return latents, pipeline


def experiment(name, **changes):
    fields = {
        "prompt": "a parrot on a beach",
        "negative_prompt": "a car",
        "seed": 11,
        "solver": name,
        "model": "small",
        "record": sdlab.Record(tensors=("x_t", "x0_pred", "output_cond", "output_uncond")),
    }
    return sdlab.Experiment(**{**fields, **changes})


def in_every_way(name):
    """A class guided in a wide picture; the others of its ways are for `make every`."""
    ways = [(name, *way) for way in product((1.0, 5.0), (4, 17), SIZES)]
    seldom = [way for way in ways if way[1:] != (5.0, 4, "wide")]
    if name == "DPMSolverMultistepScheduler":
        seldom.remove((name, 1.0, 17, "square"))
    return [pytest.param(*way, marks=pytest.mark.every) if way in seldom else way for way in ways]


@pytest.mark.parametrize(
    ("name", "guidance_scale", "num_steps", "size"),
    [way for name in NAMES for way in in_every_way(name)],
)
def test_alone_is_bit_identical(small, name, guidance_scale, num_steps, size):
    width, height = SIZES[size]
    wanted = experiment(
        name, guidance_scale=guidance_scale, num_steps=num_steps, width=width, height=height
    )
    latents, _ = plain(small, wanted)
    assert torch.equal(sdlab.run(small, wanted).latents, latents)


@pytest.mark.parametrize(
    ("name", "curve"),
    [
        pytest.param(name, curve, marks=[pytest.mark.every] * (name not in THEIRS))
        for name in NAMES
        for curve in scheduler_curves(compatible_classes()[name])
        if curve in ("karras", "trailing")
    ],
)
def test_curves_are_bit_identical(small, name, curve):
    wanted = experiment(name, num_steps=5, curve=curve)
    flag = {"use_karras_sigmas": True} if curve == "karras" else {"timestep_spacing": "trailing"}
    assert torch.equal(sdlab.run(small, wanted).latents, plain(small, wanted, **flag)[0])


@pytest.mark.parametrize("name", cases(NAMES, THEIRS))
def test_v_prediction_is_bit_identical(v_model, name):
    wanted = experiment(name, num_steps=5)
    assert torch.equal(sdlab.run(v_model, wanted).latents, plain(v_model, wanted)[0])


@pytest.fixture(scope="module")
def v_model():
    return Model(make_pipeline("v_prediction"), "small")


@pytest.mark.parametrize("changes", [{"guidance_rescale": 0.7}, {"eta": 0.6}])
def test_options_are_bit_identical(small, changes):
    wanted = experiment("DDIMScheduler", num_steps=5, **changes)
    assert torch.equal(sdlab.run(small, wanted).latents, plain(small, wanted)[0])


def test_the_picture_is_the_pipelines(embedded):
    wanted = experiment("EulerDiscreteScheduler", num_steps=3, model="embedded")
    latents, pipeline = plain(embedded, wanted)
    run = sdlab.run(embedded, wanted)
    assert torch.equal(run.latents, latents)
    generator = torch.Generator().manual_seed(wanted.seed)
    image = pipeline(
        wanted.prompt,
        negative_prompt=wanted.negative_prompt,
        num_inference_steps=3,
        guidance_scale=wanted.guidance_scale,
        generator=generator,
    ).images[0]
    assert run.image.tobytes() == image.tobytes()


@pytest.fixture(scope="module")
def alone(small, request):
    """Runs of some solvers and schedulers, each by itself."""
    return [sdlab.run(small, experiment(name, num_steps=4)) for name in request.param]


@pytest.mark.every
@pytest.mark.parametrize("alone", [NAMES], ids=["all"], indirect=True)
def test_unmixed_runs_are_bit_identical_too(small, alone):
    together = sdlab.run_many(small, [run.experiment for run in alone], mix=False)
    for one, run in zip(alone, together, strict=True):
        assert torch.equal(run.latents, one.latents)


@pytest.mark.parametrize(
    "alone",
    [sorted(OWN | THEIRS), pytest.param(valid_names(), marks=pytest.mark.every)],
    ids=["of each kind", "all"],
    indirect=True,
)
def test_mixed_batch_agrees(small, alone):
    runs = sdlab.run_many(small, [run.experiment for run in alone])
    assert max(run.manifest["largest_call"] for run in runs) > 2
    for one, run in zip(alone, runs, strict=True):
        torch.testing.assert_close(run.latents, one.latents, rtol=0, atol=1e-4)


@pytest.mark.every  # on the small one above
def test_mixed_batch_agrees_on_the_embedded_model(embedded):
    names = ["ddim", "heun", "dpmpp_2m", "EulerAncestralDiscreteScheduler", "PNDMScheduler"]
    wanted = [experiment(name, num_steps=4, model="embedded") for name in names]
    for run in sdlab.run_many(embedded, wanted):
        alone = sdlab.run(embedded, run.experiment)
        # Rounding through up to 7 guided calls: single values were 2.4e-4 apart on one processor.
        apart = run.latents - alone.latents
        assert apart.square().mean().sqrt() < 1e-4
        assert apart.abs().max() < 1e-3


@pytest.mark.parametrize("name", ["DDIMScheduler", "HeunDiscreteScheduler", "DDPMScheduler"])
def test_bfloat16_is_bit_identical(name):
    model = Model(make_pipeline().to(torch.bfloat16), "small")
    wanted = experiment(name, num_steps=4)
    run = sdlab.run(model, wanted)
    assert run.latents.dtype == torch.bfloat16
    assert torch.equal(run.latents, plain(model, wanted)[0])
    assert run.steps["x0_pred_std"].notna().all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="runs wherever CUDA is available")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_alone_is_bit_identical_on_cuda(name, dtype):
    model = Model(make_pipeline().to("cuda", dtype), "small")
    wanted = experiment(name, num_steps=6)
    run = sdlab.run(model, wanted)
    assert torch.equal(run.latents, plain(model, wanted)[0].cpu())
    assert (run.steps["ms"] > 0).all()
