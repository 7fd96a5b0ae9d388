"""A solver as a diffusers scheduler gives in a pipeline what it gives in the laboratory."""

import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline

import sdlab
from sdlab.denoisers.network import Sample, evaluate, predictions
from sdlab.noise import curves
from sdlab.solvers.as_diffusers import SolverScheduler
from sdlab.solvers.registry import solvers
from tests.zoo.chosen import OWN

STEPS = 6


def pipeline_with(model, scheduler, cls=StableDiffusionPipeline):
    parts = {**model.pipeline.components, "scheduler": scheduler}
    pipeline = cls(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def generate(pipeline, seed=3, **arguments):
    return pipeline(
        "a parrot",
        generator=torch.Generator().manual_seed(seed),
        output_type="latent",
        **{"num_inference_steps": STEPS, "guidance_scale": 4.0, **arguments},
    ).images


OURS = sorted(set(solvers()) - {"edm_stochastic"})


@pytest.mark.parametrize(
    ("name", "curve"),
    [
        *(pytest.param(name, None, marks=[pytest.mark.every] * (name not in OWN)) for name in OURS),
        ("heun", "karras"),
        *(pytest.param(name, "karras", marks=pytest.mark.every) for name in OURS if name != "heun"),
    ],
)
def test_pipeline_gives_what_the_laboratory_gives(small, name, curve):
    scheduler = sdlab.as_diffusers_scheduler(
        name, curve=curve, config=small.pipeline.scheduler.config
    )
    theirs = generate(pipeline_with(small, scheduler))
    experiment = sdlab.Experiment(
        prompt="a parrot", seed=3, solver=name, curve=curve, num_steps=STEPS, model="small"
    )
    ours = sdlab.run(small, experiment).latents
    # The first point alone is rounded otherwise: x / scale against the noise itself.
    rounding = 2**-18 * float(ours.abs().max())
    torch.testing.assert_close(theirs, ours, rtol=0, atol=rounding)


def test_from_config_keeps_the_models_schedule(small):
    scheduler = SolverScheduler.from_config(
        small.pipeline.scheduler.config, solver="heun", curve="karras"
    )
    assert scheduler.config.beta_start == 0.00085
    assert scheduler.config.solver == "heun"


IMG2IMG = ["heun", "dpmpp_2m", "ddim"]


@pytest.mark.parametrize("name", IMG2IMG)
def test_img2img_is_the_solver_from_the_noised_picture(small, name, monkeypatch):
    """The pipeline's latents, against the solver run by hand from x0 + sigma n of that strength."""
    scheduler = sdlab.as_diffusers_scheduler(name, config=small.pipeline.scheduler.config)
    pipeline = pipeline_with(small, scheduler, StableDiffusionImg2ImgPipeline)
    noised = []

    def spy(x0, noise, timesteps):
        noised.append((x0, noise))
        return type(scheduler).add_noise(scheduler, x0, noise, timesteps)

    monkeypatch.setattr(scheduler, "add_noise", spy)
    image = small.decode(torch.zeros(1, 4, 16, 16))
    theirs = generate(pipeline, image=image, strength=0.5, guidance_scale=1.0)
    x0, noise = noised[0]
    sigmas = curves.make(None, small.schedule, STEPS, {})[STEPS // 2 :]
    cond, _ = small.encode_prompt("a parrot")

    def denoise(x, sigma):
        x_t = x / (1 + sigma**2) ** 0.5
        t = float(small.schedule.sigma_to_timestep(sigma))
        out = evaluate(small, [Sample(x_t, t, cond, None, 1.0, 0.0)])[0].guided
        return predictions(small.schedule, x_t, sigma, out)[0]

    generator = solvers()[name].function(
        x0 + sigmas[0] * noise, tuple(sigmas.tolist()), torch.zeros_like
    )
    try:
        x, sigma = next(generator)
        while True:
            x, sigma = generator.send(denoise(x, sigma))
    except StopIteration as stop:
        torch.testing.assert_close(theirs, stop.value, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: sdlab.as_diffusers_scheduler("huen"),
            "Unknown solver 'huen'. Did you mean 'heun'",
        ),
        (lambda: sdlab.as_diffusers_scheduler("heun", eta=1.0), "Unknown option of solver 'heun'"),
        (lambda: sdlab.as_diffusers_scheduler("heun", curve="x"), "Unknown curve 'x'"),
        (
            lambda: sdlab.as_diffusers_scheduler("heun").set_begin_index(1),
            "begin_index must be a multiple of 2",
        ),
        (lambda: sdlab.as_diffusers_scheduler("heun").set_timesteps(2000), "from 1 to 1000"),
    ],
)
def test_bad_requests_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_solvers_that_churn_before_they_ask_are_refused():
    scheduler = sdlab.as_diffusers_scheduler("edm_stochastic")
    with pytest.raises(ValueError, match="'edm_stochastic' moves x before its first evaluation"):
        scheduler.set_timesteps(10)


def test_a_solver_whose_first_step_is_unlike_the_others_cannot_begin_midway():
    scheduler = sdlab.as_diffusers_scheduler("plms")
    scheduler.set_timesteps(10)
    with pytest.raises(ValueError, match="'plms' cannot begin at evaluation 5"):
        scheduler.set_begin_index(5)


def test_one_generator_gives_every_picture_of_a_batch_a_path_of_its_own(small):
    pipeline = pipeline_with(small, sdlab.as_diffusers_scheduler("dpmpp_2m_sde"))
    latents = torch.zeros(1, 4, 16, 16).repeat(2, 1, 1, 1)
    out = generate(pipeline, num_images_per_prompt=2, latents=latents)
    assert not torch.allclose(out[0], out[1])


@pytest.mark.parametrize("name", ["euler_ancestral", "dpmpp_sde"])
def test_batches_with_a_generator_each_do_not_depend_on_the_batch(small, name):
    pipeline = pipeline_with(small, sdlab.as_diffusers_scheduler(name))

    def images(seeds):
        generators = [torch.Generator().manual_seed(s) for s in seeds]
        return pipeline(
            ["a parrot"] * len(seeds),
            generator=generators,
            num_inference_steps=4,
            output_type="latent",
        ).images

    torch.testing.assert_close(images([1, 2])[1], images([2])[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["euler", "dpmpp_2m"])
def test_a_step_too_many_is_refused(name):
    scheduler = sdlab.as_diffusers_scheduler(name)
    scheduler.set_timesteps(1)
    x = torch.zeros(1, 4, 8, 8)
    scheduler.step(x, 1, x)
    with pytest.raises(ValueError, match="all steps are done"):
        scheduler.step(x, None, x)
