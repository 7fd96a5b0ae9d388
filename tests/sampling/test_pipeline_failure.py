"""What a pipeline's own error becomes: what failed, and what to change."""

import pytest
from diffusers import StableDiffusion3InpaintPipeline
from PIL import Image

import sdlab
from tests import flow
from tests.zoo.pipelines import build

PICTURE, MASK = Image.new("RGB", (32, 32), "teal"), Image.new("L", (32, 32), 255)
MASK.paste(0, (0, 0, 16, 32))
INSIDE = {"image": PICTURE, "mask_image": MASK}


def four_channels():
    return StableDiffusion3InpaintPipeline(**flow.sd3_parts(4))


@pytest.mark.parametrize(
    ("make", "fields", "error", "message"),
    [
        (flow.sd3, INSIDE, ValueError, "takes 4 channels.*leave mask_image out, or load"),
        (four_channels, INSIDE, ValueError, "takes 4 channels.*leave mask_image out, or load"),
        ("QwenImageEditPipeline", {}, sdlab.SdlabError, "failed: .* no image; .* give image"),
        ("StableDiffusionUpscalePipeline", {}, ValueError, "refuses this: .*; .* give image"),
        ("KandinskyV22Pipeline", {}, ValueError, "without image_embeds, .*inside sdlab.trace"),
        ("IFPipeline", {}, sdlab.SdlabError, "its own scheduler: solver='DDPM.*, got 'ddim'"),
    ],
)
def test_it_says_what_to_change(make, fields, error, message):
    model = sdlab.load(build(make)[0] if isinstance(make, str) else make())
    with pytest.raises(error, match=message):
        sdlab.run(model, sdlab.Experiment(num_steps=2, **fields))


def test_what_no_class_over_the_parts_does_is_refused_with_the_field():
    model = sdlab.load(build("QwenImageControlNetPipeline")[0])
    asked = sdlab.Experiment(num_steps=2, control_image=PICTURE, **INSIDE)
    with pytest.raises(ValueError, match=r"not draw from a mask.*leave mask_image out"):
        sdlab.run(model, asked)


def test_what_sdlab_raises_inside_a_call_stays_as_it_is(small):
    model = sdlab.load(small.pipeline)
    asked = sdlab.Experiment(num_steps=4, strength=0.5, solver="dpmpp_2m", **INSIDE)
    with pytest.raises(ValueError, match="^the latents were changed between steps"):
        sdlab.run(model, asked)
