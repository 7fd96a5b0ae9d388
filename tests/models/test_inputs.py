"""What a model says that it can be given and draws from."""

import diffusers
import pytest
from diffusers.pipelines import auto_pipeline
from PIL import Image

import sdlab
from sdlab.experiment.experiment import Experiment
from sdlab.models import inputs
from sdlab.models.pipelines import STABLE_DIFFUSION
from tests import flow


def test_inputs_are_fields_of_an_experiment(embedded):
    assert embedded.inputs <= {*Experiment.__dataclass_fields__}
    assert {"prompt", "image", "strength", "mask_image", "pipeline_options"} <= embedded.inputs
    assert "generator" not in embedded.inputs and "true_cfg_scale" not in embedded.inputs
    assert "clip_skip" in embedded.options and "latents" not in embedded.options
    assert embedded.draws == ("from words", "after a picture", "inside a mask")


@pytest.mark.parametrize(
    ("name", "takes", "lacks"),
    [
        ("FluxPipeline", {"true_cfg_scale", "prompt_2", "max_sequence_length"}, "control_image"),
        ("StableDiffusion3ControlNetPipeline", {"control_image", "prompt_3"}, "image"),
        ("StableDiffusionControlNetPipeline", {"control_image", "image"}, "prompt_2"),
        ("StableDiffusionLatentUpscalePipeline", {"image", "prompt"}, "width"),
    ],
)
def test_a_class_takes_what_its_call_has(name, takes, lacks):
    found = inputs.fields(getattr(diffusers, name))
    assert takes <= found and lacks not in found


@pytest.mark.parametrize("cls", STABLE_DIFFUSION.values())
def test_what_is_known_of_stable_diffusion_is_what_autopipeline_says(cls):
    said = {
        "text": auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING,
        "image": auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
        "inpaint": auto_pipeline.AUTO_INPAINT_PIPELINES_MAPPING,
    }
    named = {task: auto_pipeline._get_task_class(of, cls).__name__ for task, of in said.items()}
    assert named == STABLE_DIFFUSION


@pytest.mark.parametrize(("make", "masks"), [(flow.sd3, False), (flow.sd3_inpaint, True)])
def test_a_mask_is_promised_where_the_class_for_it_takes_the_network(make, masks):
    model = sdlab.load(make())  # of 4 channels and of 16; Stable Diffusion 3's class passes 16
    assert ("mask_image" in model.inputs) == masks == ("inside a mask" in model.draws)
    assert "after a picture" in model.draws and "strength" in model.inputs
    scene = Image.new("RGB", (64, 64))
    asked = Experiment(
        solver="euler",
        num_steps=1,
        image=scene,
        strength=1.0,
        mask_image=scene.convert("L"),
    )
    if masks:
        assert len(sdlab.run(model, asked).steps) == 1
    else:
        with pytest.raises(ValueError, match="should have 16 input channels"):
            sdlab.run(model, asked)


def test_the_prompt_of_an_encoder_that_is_not_there_is_no_input_and_refused():
    model = sdlab.load(flow.sd3())
    assert {"prompt_2", "negative_prompt_2"} <= model.inputs
    for name in ("prompt_3", "negative_prompt_3"):
        assert name not in model.inputs
        with pytest.raises(ValueError, match=f"without text_encoder_3, which {name} is for"):
            sdlab.plan(model, Experiment(solver="euler", num_steps=1, **{name: "a cat"}))


def test_draws_in_words():
    flux, led = diffusers.FluxKontextPipeline, diffusers.StableDiffusionXLControlNetPipeline
    assert "after a picture" in inputs.draws(flux, guided=False)
    assert inputs.draws(led, guided=True)[-1] == "with its ControlNet"
    edit = diffusers.StableDiffusionImageVariationPipeline  # takes no words
    assert "from words" not in inputs.draws(edit, guided=False)
