"""Every pipeline of the zoo in the engine: its own picture bit for bit, and every step read."""

from pathlib import Path

import numpy as np
import pytest

import sdlab
from sdlab.sampling.plan import plan
from tests.zoo.chosen import KINDS, cases
from tests.zoo.experiments import NotAsked, by_hand, experiment
from tests.zoo.pipelines import RUNS, build

# What no experiment holds, so that the pipeline is called by hand only.
BY_HAND = {
    "GlmImagePipeline": "prior_token_ids",
    "IFImg2ImgSuperResolutionPipeline": "original_image",
    "IFInpaintingSuperResolutionPipeline": "original_image",
    "KandinskyV22ControlnetImg2ImgPipeline": "image_embeds",
    "KandinskyV22ControlnetPipeline": "image_embeds",
    "KandinskyV22Img2ImgPipeline": "image_embeds",
    "KandinskyV22InpaintPipeline": "image_embeds",
    "KandinskyV22Pipeline": "image_embeds",
    "KolorsPAGPipeline": "prompt_embeds",
    "KolorsPipeline": "prompt_embeds",
    "PRXPipeline": "prompt_embeds",
    "PRXPixelPipeline": "prompt_embeds",
    "QwenImageControlNetInpaintPipeline": "control_mask",
    "StableCascadeDecoderPipeline": "image_embeddings",
    "StableDiffusion3ControlNetInpaintingPipeline": "control_mask",
    "StableDiffusionDepth2ImgPipeline": "depth_map",
    "StableDiffusionDiffEditPipeline": "image_latents",
    "StableDiffusionGLIGENPipeline": "gligen_boxes",
    "StableDiffusionGLIGENTextImagePipeline": "gligen_boxes",
    "WanImageToVideoPipeline": "prompt_embeds",
    "WanVACEPipeline": "prompt_embeds",
    "WanVideoToVideoPipeline": "prompt_embeds",
    "StableDiffusionPix2PixZeroPipeline": "source_embeds",
}
# What is recorded of a run otherwise than step by step, as a warning of the run says.
SAID = {
    "StableDiffusionParadigmsPipeline": "makes no steps by its DDIMParallelScheduler",
}


PAGE = (Path(__file__).parents[2] / "docs/pipelines.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", cases(RUNS, KINDS))
def test_it_is_the_pipeline_s_own_picture_and_every_step_is_read(name):
    pipe, arguments = build(name)
    model = sdlab.load(pipe)
    assert f"| {name} | {model.path or 'neither'} |" in PAGE
    try:
        asked = experiment(pipe, arguments)
    except NotAsked as reason:
        assert str(reason) == BY_HAND[name]
        return
    run, call = sdlab.run(model, asked), plan(model, asked).call
    if call is not None:  # plain Stable Diffusion has a path of its own, and tests of it
        picture, steps = by_hand(pipe, asked, call)
        assert np.array_equal(np.asarray(run.image), np.asarray(picture))
        assert len(run.steps) == (0 if name in SAID else steps)
    warnings = " ".join(run.manifest["warnings"])
    assert SAID.get(name, "") in warnings
    if hasattr(pipe, "tokenizer") and asked.prompt and "ImageVariation" not in name:
        assert len(run.tables["tokens"])
    if not warnings:
        assert run.steps["x0_pred_mean"].notna().all()
    assert all("forward" not in vars(network) for network in model.networks.values())
