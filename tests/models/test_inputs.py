"""What a model says that it can be given and draws from."""

import diffusers
import pytest
from diffusers.pipelines import auto_pipeline

from sdlab.experiment.experiment import Experiment
from sdlab.models import inputs
from sdlab.models.pipelines import STABLE_DIFFUSION


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


def test_draws_in_words():
    flux, led = diffusers.FluxKontextPipeline, diffusers.StableDiffusionXLControlNetPipeline
    assert "after a picture" in inputs.draws(flux, guided=False)
    assert inputs.draws(led, guided=True)[-1] == "with its ControlNet"
    edit = diffusers.StableDiffusionImageVariationPipeline  # takes no words
    assert "from words" not in inputs.draws(edit, guided=False)
