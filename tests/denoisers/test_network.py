"""Guidance, rescaling and the kinds of prediction agree with their equations and with diffusers."""

import pytest
import torch

import sdlab
from sdlab.denoisers.network import Sample, evaluate, predictions, uses_guidance
from sdlab.models.model import Model
from sdlab.noise import NoiseSchedule
from tests.conftest import make_pipeline

X = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def sample(model, guidance_scale=3.0, rescale=0.0, uncond=True):
    cond, negative = model.encode_prompt("a parrot", "a car" if uncond else None)
    return Sample(X, 500.0, cond, negative, guidance_scale, rescale)


def test_guidance_is_uncond_plus_s_times_the_difference(small):
    out = evaluate(small, [sample(small)])[0]
    torch.testing.assert_close(out.guided, out.uncond + 3.0 * (out.cond - out.uncond))
    alone = evaluate(small, [sample(small, uncond=False)])[0]
    assert alone.uncond is None
    torch.testing.assert_close(alone.guided, out.cond, rtol=1e-4, atol=1e-5)


def test_rescale_restores_the_spread_of_cond(small):
    out = evaluate(small, [sample(small, 8.0, rescale=1.0)])[0]
    torch.testing.assert_close(out.guided.std(), out.cond.std())


def test_a_batch_gives_each_its_own(small):
    samples = [sample(small), sample(small, uncond=False), sample(small, 7.0, 0.5)]
    for together, one in zip(evaluate(small, samples), samples, strict=True):
        alone = evaluate(small, [one])[0]
        torch.testing.assert_close(together.guided, alone.guided, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("sigma", [0.03, 1.0, 14.6])
def test_predictions_invert_the_forward_process(kind, sigma):
    alpha_bar = 1 / (1 + sigma**2)
    x0, eps = torch.randn(2, 1, 4, 8, 8, dtype=torch.float64)
    x_t = alpha_bar**0.5 * x0 + (1 - alpha_bar) ** 0.5 * eps
    v = alpha_bar**0.5 * eps - (1 - alpha_bar) ** 0.5 * x0
    output = {"epsilon": eps, "v_prediction": v, "sample": x0}[kind]
    schedule = NoiseSchedule.from_config({"prediction_type": kind})
    x0_pred, eps_pred = predictions(schedule, x_t, sigma, output)
    torch.testing.assert_close(x0_pred, x0, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(eps_pred, eps, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", ["v_prediction", "sample"])
@pytest.mark.parametrize("name", ["DDIMScheduler", "EulerDiscreteScheduler", "heun"])
def test_other_prediction_types_agree_with_their_scheduler(kind, name):
    """The last x0_pred is what the scheduler itself ends at, so both read the output alike."""
    model = Model(make_pipeline(kind), "small")
    run = sdlab.run(
        model,
        sdlab.Experiment(
            solver=name,
            num_steps=4,
            solver_options={"set_alpha_to_one": True} if name == "DDIMScheduler" else {},
        ),
    )
    torch.testing.assert_close(run.latents[0], run.trace.x0_pred[-1], rtol=0, atol=1e-4)


def test_float64_stays_float64():
    pipeline = make_pipeline().to(torch.float64)
    experiment = sdlab.Experiment(prompt="a", solver="DDIMScheduler", num_steps=2)
    run = sdlab.run(Model(pipeline, "small"), experiment)
    assert not torch.equal(run.latents, run.latents.float().double())  # more than float32 holds
    theirs = pipeline(
        "a", num_inference_steps=2, guidance_scale=4.0, output_type="latent",
        generator=torch.Generator().manual_seed(0),
    ).images  # fmt: skip
    torch.testing.assert_close(run.latents, theirs, rtol=0, atol=1e-10)


def test_float16_runs_to_the_end():
    model = Model(make_pipeline().to(torch.float16), "small")
    for solver in ("heun", "DDIMScheduler"):
        run = sdlab.run(model, sdlab.Experiment(solver=solver, num_steps=2))
        assert torch.isfinite(run.latents).all()
        assert run.manifest["model"]["dtype"] == "float16"


def test_a_changed_scheduler_of_the_pipeline_is_not_seen(small):
    """Both ways of running must go by the schedule that the model was loaded with."""
    from diffusers import DDIMScheduler

    model = Model(make_pipeline(), "small")
    model.pipeline.scheduler = DDIMScheduler(prediction_type="v_prediction")
    for solver in ("ddim", "DDIMScheduler"):
        experiment = sdlab.Experiment(solver=solver, num_steps=2)
        torch.testing.assert_close(
            sdlab.run(model, experiment).latents, sdlab.run(small, experiment).latents
        )


def test_zero_terminal_snr_runs_to_the_end():
    model = Model(
        make_pipeline("v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing"),
        "small",
    )
    for name in ("DDIMScheduler", "euler", "dpmpp_2m"):
        run = sdlab.run(model, sdlab.Experiment(solver=name, num_steps=5))
        assert run.steps.loc[0, "sigma"] == pytest.approx(4096.0, rel=1e-4)
        assert torch.isfinite(run.latents).all()
        assert torch.isfinite(run.trace.x0_pred).all()


def test_guidance_embedding_networks_need_no_uncond():
    pipeline = make_pipeline()
    assert uses_guidance(Model(pipeline, "small"), 2.0)
    assert not uses_guidance(Model(pipeline, "small"), 1.0)
    pipeline = make_pipeline(unet={"time_cond_proj_dim": 32})
    model = Model(pipeline, "lcm")
    assert not uses_guidance(model, 8.0)
    wanted = sdlab.Experiment(prompt="a parrot", solver="LCMScheduler", num_steps=3, seed=2)
    from diffusers import LCMScheduler

    pipeline.scheduler = LCMScheduler.from_config(pipeline.scheduler.config)
    theirs = pipeline(
        "a parrot",
        num_inference_steps=3,
        guidance_scale=wanted.guidance_scale,
        generator=torch.Generator().manual_seed(2),
        output_type="latent",
    ).images
    assert torch.equal(sdlab.run(model, wanted).latents, theirs)
