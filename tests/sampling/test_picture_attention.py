"""The attention of a given picture in models that run by their pipelines."""

import pytest
import torch

from sdlab.errors import SdlabError
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.models.model import Model
from sdlab.sampling.picture_attention import picture_attention
from tests import flow
from tests.tracing import pipelines
from tests.zoo.pipelines import build

ALL = AttentionRecord(tokens="all", dtype="float32", heads="all", layers=("all",))
BUILT = {
    "sd3": flow.sd3,
    "sdxl": lambda: pipelines.xl()[0],
    "flux": lambda: build("FluxPipeline")[0],
    "qwenimage": lambda: build("QwenImagePipeline")[0],
}


@pytest.fixture(params=BUILT)
def model(request):
    return Model(BUILT[request.param](), request.param)


def latents_of(model, side=64):
    small = side // model.vae_factor
    shape = (1, model.latent_channels, small, small)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_it_is_one_evaluation_at_its_level(model):
    maps = picture_attention(model, latents_of(model), "a red car", timestep=500, record=ALL)
    assert maps.evaluations == (0,) and maps.facts.timesteps == (500.0,)
    assert maps.facts.sigmas[0] == pytest.approx(
        1.0 if model.path == "flow" else float(model.schedule.timestep_to_sigma(500))
    )
    assert len(maps.positions("car")) >= 1
    for layer in maps.cross_layers:
        found = maps.tensors[f"cond/{layer.name}"].sum(2)
        torch.testing.assert_close(found, maps.text_share(layer), atol=1e-5, rtol=0)
        assert layer.joint or torch.allclose(found, torch.ones_like(found), atol=1e-5)


def test_the_seed_and_the_words_count(model):
    def look(caption="a cat", seed=0):
        maps = picture_attention(model, latents_of(model), caption, seed=seed, record=ALL)
        return maps.tensors[f"cond/{maps.cross_layers[0].name}"]

    assert torch.equal(look(), look())
    assert not torch.equal(look(), look(seed=1))
    assert not torch.equal(look(), look("a blue dog"))


def test_a_level_outside_is_refused():
    model = Model(flow.sd3(), "sd3")
    with pytest.raises(ValueError, match="timestep must be from 0 to 999, got 1000"):
        picture_attention(model, latents_of(model), "a cat", timestep=1000)


def test_a_layer_that_is_not_there_is_named():
    model = Model(flow.sd3(), "sd3")
    with pytest.raises(ValueError, match="nowhere"):
        record = AttentionRecord(layers=("nowhere",))
        picture_attention(model, latents_of(model), "a cat", record=record)


def test_what_a_pipeline_falls_over_is_a_sentence(monkeypatch):
    model = Model(flow.sd3(), "sd3")

    def broken(*args, **kwargs):
        raise IndexError("tuple index out of range")

    monkeypatch.setattr(type(model.pipeline), "encode_prompt", broken)
    with pytest.raises(SdlabError, match="StableDiffusion3Pipeline failed: IndexError: tuple"):
        picture_attention(model, latents_of(model), "a cat")
