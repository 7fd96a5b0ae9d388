"""What makes a negative prompt act on a model, by its pipeline's class and its network."""

import pytest
from diffusers import FluxTransformer2DModel

import sdlab
from sdlab.models.guidance import OWN, TRUE, Guidance, guidance_of, is_distilled, reads_scale
from tests import flow
from tests.zoo import pipelines as zoo


@pytest.mark.parametrize(
    ("make", "found"),
    [(flow.flux, Guidance(TRUE)), (flow.sd3, Guidance(OWN)), (lambda: "embedded", Guidance(OWN))],
)
def test_it_is_read_from_the_class(make, found):
    assert guidance_of(sdlab.load(make())) == found


def test_a_distilled_network_has_it_within():
    model = sdlab.load(flow.sd3())
    model.network.register_to_config(guidance_embeds=True)
    assert is_distilled(model) and guidance_of(model) == Guidance("")


def test_an_own_default_holds_until_one_is_given():
    guidance = Guidance(TRUE, 4.0)
    assert guidance.acts(1.0) and not guidance.acts(4.0, 1.0)
    assert Guidance().acts(2.0) and not Guidance().acts(1.0, 4.0)
    assert not Guidance("").acts(9.0, 9.0)


@pytest.mark.parametrize("name", ["FluxPipeline", "QwenImagePipeline", "SanaPipeline"])
@pytest.mark.parametrize("embeds", [True, False])
def test_a_scale_without_embeddings_is_read_where_the_pipeline_guides_by_it(name, embeds):
    model = sdlab.load(zoo.build(name)[0])
    model.network.register_to_config(guidance_embeds=embeds)
    assert reads_scale(model) == (embeds or name == "SanaPipeline")


@pytest.mark.parametrize("name", ["FluxPipeline", "QwenImagePipeline"])
def test_a_run_says_that_its_scale_is_not_read(name):
    pipe = zoo.build(name)[0]
    pipe.transformer.register_to_config(guidance_embeds=False)
    if name == "FluxPipeline":
        pipe.transformer.time_text_embed = FluxTransformer2DModel(
            **{**pipe.transformer.config, "guidance_embeds": False}
        ).time_text_embed
    model = sdlab.load(pipe)
    asked = sdlab.Experiment("a parrot", solver="euler", num_steps=1, width=64, height=64)
    runs = [sdlab.run(model, asked), sdlab.run(model, asked.with_(guidance_scale=9.0))]
    assert (runs[0].latents == runs[1].latents).all()
    said = [[w for w in run.manifest["warnings"] if "guidance_scale" in w] for run in runs]
    assert not said[0] and len(said[1]) == 1 and "guidance_scale 9 is ignored" in said[1][0]
    passed = "guidance_scale" in sdlab.plan(model, asked).call.arguments
    assert passed == (name == "FluxPipeline")  # Qwen-Image's class would log that it is ignored
