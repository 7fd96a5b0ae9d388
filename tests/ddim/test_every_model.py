"""There and back on models that are not plain Stable Diffusion, through their pipelines."""

import pytest
import torch

import sdlab
from sdlab.ddim.denoiser import denoiser, levels
from sdlab.ddim.eta import drawing_fan
from sdlab.ddim.schemes import METHODS
from sdlab.ddim.settings import DdimSettings
from sdlab.ddim.study import there_and_back
from sdlab.ddim.walks import start_noise, walking_between_pictures, walking_between_seeds
from sdlab.sampling.pipeline_denoiser import PipelineDenoiser
from sdlab.work import finish
from tests import flow
from tests.tracing import pipelines as tiny


def sd3():
    return sdlab.load(flow.sd3())


def xl():
    return sdlab.load(tiny.xl()[0])


def latents(model):
    side = model.default_size[0] // model.vae_factor
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, model.latent_channels, side, side, generator=generator)


@pytest.mark.parametrize("make", [sd3, xl])
def test_edict_comes_back_and_the_naive_way_does_not(make):
    model = make()
    exact, naive = (
        finish(
            there_and_back(
                model, latents(model), DdimSettings("a red car", num_steps=4, method=method)
            )
        )
        for method in ("edict", "naive")
    )
    assert exact.rmse < 1e-4 < naive.rmse
    if model.path == "flow":
        assert exact.errors["flow_time"][0] == 1.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.every
def test_every_evaluation_is_counted_beforehand(method, monkeypatch):
    made, compute = [], PipelineDenoiser.compute

    def counting(*given):
        made.append(1)
        return compute(*given)

    monkeypatch.setattr(PipelineDenoiser, "compute", counting)
    model, settings = sd3(), DdimSettings("a red car", method=method, num_steps=3)
    finish(there_and_back(model, latents(model), settings, by_step=True))
    assert len(made) == settings.evaluations(by_step=True, asked=1)
    made.clear()
    finish(there_and_back(model, latents(model), settings, edit="a blue car", start=1))
    assert len(made) == settings.evaluations(1, asked=2)


@pytest.mark.parametrize("make", [sd3, xl])
def test_down_alone_is_a_run_of_ddim(make):
    model, asked = make(), {"num_steps": 3, "guidance_scale": 3.0, "solver": "ddim"}
    run = sdlab.run(model, sdlab.Experiment("a red car", seed=5, **asked))
    settings = DdimSettings("a red car", num_steps=3, guidance_scale=3.0)
    noise = torch.randn(run.latents.shape, generator=torch.Generator().manual_seed(5))
    times = levels(model, settings, noise)
    denoise = denoiser(model, "a red car", "", 3.0)
    scheme = settings.scheme(model.path)
    going = scheme.down(noise * scheme.coordinates.scale(times[0]), times, lambda x: None)
    x, level = next(going)
    try:
        while True:
            x, level = going.send(denoise(x, level))
    except StopIteration as stop:
        found = stop.value
    scale = float(run.latents.abs().max())
    torch.testing.assert_close(found, run.latents, rtol=1e-3, atol=1e-4 * scale)


def test_a_fan_and_a_walk_of_a_flow_model():
    model, settings = sd3(), DdimSettings("a red car", num_steps=3, guidance_scale=3.0)
    start = start_noise(model, 7)
    times = levels(model, settings, start)
    denoise = denoiser(model, "a red car", "", 3.0)
    fan, pictures = finish(drawing_fan(model, denoise, start, times, (0.0, 1.0), (1, 2)))
    assert fan.spread()["std"].tolist()[0] == 0 < fan.spread()["std"].tolist()[1]
    assert [len(row) for row in pictures] == [2, 2]
    walked = finish(walking_between_seeds(model, settings, (1, 2), 3, "spherical"))
    assert len(walked.pictures) == 3


def test_what_only_plain_models_can_do_is_said():
    model, settings = sd3(), DdimSettings("a red car", num_steps=2)
    x0 = latents(model)
    with pytest.raises(ValueError, match="cannot be held"):
        finish(there_and_back(model, x0, settings, edit="a dog", inject=0.5))
    with pytest.raises(ValueError, match="cannot be blended"):
        finish(walking_between_pictures(model, settings, (x0, x0), ("a", "b"), 2, "spherical"))
