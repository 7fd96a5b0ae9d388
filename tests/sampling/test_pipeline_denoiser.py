"""A pipeline as a denoiser: what it says anywhere is what it says on its own course."""

import pytest
import torch

import sdlab
from sdlab.sampling.pipeline_denoiser import PipelineDenoiser
from tests import flow
from tests.tracing import pipelines as tiny
from tests.zoo.pipelines import build


def xl():
    return tiny.xl()[0]


def sd():
    return tiny.text2img()[0]


@pytest.mark.parametrize("make", [flow.sd3, xl, sd])
def test_it_says_what_a_run_was_told(make):
    model = sdlab.load(make())
    asked = {"solver": "euler", "num_steps": 4, "width": 64, "height": 48, "guidance_scale": 3.0}
    run = sdlab.run(model, sdlab.Experiment("a red car", **asked))
    denoise = PipelineDenoiser(model, "a red car", "", 3.0)
    for number in (2, 0, 3):  # in any order
        x_t, want = run.trace.x_t[[number]], run.trace.x0_pred[[number]]
        x0_pred, _ = denoise.at(x_t, run.steps["sigma"][number])
        torch.testing.assert_close(x0_pred, want, rtol=1e-5, atol=1e-5 * float(want.abs().max()))
    denoise.close()
    assert "forward" not in vars(model.network)


def test_it_is_told_whole_timesteps_where_the_pipeline_s_are():
    model = sdlab.load(build("CogView4Pipeline")[0])
    asked = {"solver": "dpm_2", "num_steps": 3, "width": 64, "height": 64, "guidance_scale": 3.0}
    run = sdlab.run(model, sdlab.Experiment("a red car", **asked))
    denoise = PipelineDenoiser(model, "a red car", "", 3.0)
    for number in (0, 2, 4):  # at the beginning of a step, where the pipeline itself would ask
        x_t, want = run.trace.x_t[[number]], run.trace.x0_pred[[number]]
        x0_pred, _ = denoise.at(x_t, run.steps["sigma"][number])
        torch.testing.assert_close(x0_pred, want, rtol=1e-5, atol=1e-5 * float(want.abs().max()))
    denoise.close()


def test_a_batch_is_each_of_its_rows():
    model = sdlab.load(flow.sd3())
    x = torch.randn(2, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    denoise = PipelineDenoiser(model, "a red car", "", 3.0)
    both = denoise(x, 2.0)
    for row in range(2):
        one = denoise(x[[row]], 2.0)
        torch.testing.assert_close(one, both[[row]], rtol=1e-4, atol=1e-4)


def test_at_the_start_of_the_flow_sigma_is_infinite_and_nothing_is_nan():
    model = sdlab.load(flow.sd3())
    x = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    x0_pred, eps = PipelineDenoiser(model, "a red car").at(x, float("inf"))
    assert x0_pred.isfinite().all() and torch.equal(eps, x)


def test_a_size_is_not_moved_to_the_nearest_of_the_training():
    model = sdlab.load(build("PixArtSigmaPipeline")[0])
    side = model.default_size[0] // model.vae_factor
    shape = (1, model.latent_channels, side, side)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert PipelineDenoiser(model, "a red car")(x, 2.0).shape == shape
