"""The whole: a folder to a model, a prompt to the picture that diffusers makes."""

import json
import re
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

import sdlab
from sdlab.errors import ModelError
from sdlab.reference.sampling import ddim_step
from sdlab.shipped import FOLDER
from tests.conftest import make_pipeline

SCRIPT = Path(__file__).parents[2] / "docs" / "whole_pipeline.py"


@pytest.fixture(scope="module")
def model():
    return sdlab.reference.load()


@pytest.fixture(scope="module")
def pipeline(embedded):
    embedded.pipeline.set_progress_bar_config(disable=True)
    return embedded.pipeline


def theirs(pipe, prompt, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    return np.asarray(pipe(prompt, generator=generator, **options).images[0])


def test_the_picture_is_that_of_diffusers(model, pipeline):
    mine = model.generate("a red car on the beach", seed=7, num_steps=3, guidance_scale=5)
    options = {"num_inference_steps": 3, "guidance_scale": 5}
    assert mine.dtype == torch.uint8
    assert np.array_equal(mine, theirs(pipeline, "a red car on the beach", 7, **options))


def test_other_options_too(model, pipeline):
    step = partial(ddim_step, eta=0.6)
    mine = model.generate("two stars", "blue", seed=2, num_steps=2, size=(72, 120), step=step)
    options = {"num_inference_steps": 2, "guidance_scale": 4, "height": 72, "width": 120}
    assert np.array_equal(
        mine, theirs(pipeline, "two stars", 2, negative_prompt="blue", eta=0.6, **options)
    )


def test_without_guidance(model, pipeline):
    mine = model.generate("a panda", num_steps=2, guidance_scale=1)
    expected = theirs(pipeline, "a panda", num_inference_steps=2, guidance_scale=1)
    assert np.array_equal(mine, expected)


def test_every_step_can_be_seen(model):
    visits = list(model.visits("a tree", num_steps=2))
    assert [visit.timestep for visit in visits] == [501, 1]
    assert torch.equal(visits[1].x, visits[0].x_next)
    again = model.generate("a tree", num_steps=2)
    assert torch.equal(model.picture(visits[-1].x_next), again)


def test_a_folder_of_2_x_with_v_prediction(tmp_path):
    """As ``save_pretrained`` writes it, in half precision and with an fp16 file beside it."""
    pipe = make_pipeline("v_prediction", {"use_linear_projection": True})
    pipe.save_pretrained(tmp_path)
    pipe.unet.half().save_pretrained(tmp_path / "unet", variant="fp16")
    pipe.unet.float()
    pipe = StableDiffusionPipeline.from_pretrained(
        tmp_path, dtype=torch.float32, local_files_only=True
    )
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    mine = sdlab.reference.load(tmp_path).generate("a red fox!", seed=1, num_steps=3).int()
    expected = theirs(pipe, "a red fox!", 1, num_inference_steps=3, guidance_scale=4.0)
    assert (mine - torch.tensor(expected).int()).abs().max() <= 1  # a tie may be rounded otherwise


def test_the_script_makes_the_same_picture(model, tmp_path, monkeypatch):
    file, text = tmp_path / "picture.png", SCRIPT.read_text(encoding="utf-8")
    quick = text.replace("NUM_STEPS, GUIDANCE_SCALE = 7, 25,", "NUM_STEPS, GUIDANCE_SCALE = 7, 2,")
    assert quick != text
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "a red car on the beach", str(file)])
    with torch.no_grad():
        exec(compile(quick, SCRIPT, "exec"), {})
    mine = model.generate("a red car on the beach", seed=7, num_steps=2, guidance_scale=4)
    assert np.array_equal(np.asarray(Image.open(file)), mine)


def test_the_script_has_sixty_lines_and_uses_nothing_else():
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    imported = {line for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported == {"import sys", "import torch", "from PIL import Image", "import sdlab"}
    assert set(re.findall(r"sdlab\.\w+", text)) == {"sdlab.reference"}


def test_a_size_that_is_no_multiple_of_8(model):
    with pytest.raises(ValueError, match=r"size must be two multiples of 8 .* got \(64, 60\)"):
        model.generate("a cat", size=(64, 60))


def test_no_such_folder(tmp_path):
    with pytest.raises(ValueError, match="No model_index.json in"):
        sdlab.reference.load(tmp_path)


@pytest.fixture
def copy(tmp_path):
    """The embedded model's folder, to be damaged."""
    for part in ("unet", "text_encoder", "vae", "scheduler"):
        shutil.copytree(FOLDER / part, tmp_path / part)
    shutil.copy(FOLDER / "model_index.json", tmp_path)
    (tmp_path / "tokenizer").symlink_to(FOLDER / "tokenizer")
    return tmp_path


def test_a_network_of_another_kind(copy):
    config = json.loads((copy / "unet/config.json").read_text())
    (copy / "unet/config.json").write_text(json.dumps({**config, "in_channels": 9}))
    with pytest.raises(ModelError, match="UNet are not those of .* 'conv_in.weight'"):
        sdlab.reference.load(copy)


def test_damaged_weights(copy):
    path = copy / "vae/diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="is no whole .safetensors file"):
        sdlab.reference.load(copy)


def test_a_part_without_weights(copy):
    (copy / "vae/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ModelError, match="No .safetensors file in .*vae"):
        sdlab.reference.load(copy)


def test_a_part_without_settings(copy):
    (copy / "scheduler/scheduler_config.json").unlink()
    with pytest.raises(ModelError, match="No scheduler_config.json in"):
        sdlab.reference.load(copy)
