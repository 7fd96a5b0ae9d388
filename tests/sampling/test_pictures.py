"""Runs that start from pictures: saved, opened, made again; without their pixels refused."""

import json

import pytest
from PIL import Image

import sdlab
from sdlab.experiment.experiment import Experiment

HALF = Image.new("L", (64, 64))
HALF.paste(255, (0, 0, 32, 64))
SCENE = Image.linear_gradient("L").resize((64, 64)).convert("RGB")


@pytest.fixture(scope="module")
def model():
    return sdlab.load(device="cpu")


@pytest.mark.parametrize("mask", [None, HALF], ids=["img2img", "inpaint"])
def test_a_run_is_saved_opened_and_made_again(model, tmp_path, mask):
    asked = Experiment(
        prompt="a parrot", image=SCENE, strength=0.5, mask_image=mask, num_steps=4, seed=3
    )
    run = sdlab.run(model, asked)
    assert run.image.size == (64, 64) and len(run.steps) == 2
    opened = sdlab.open_run(run.save(tmp_path))
    assert opened.id == run.id and opened.manifest == run.manifest
    again = sdlab.run(model, opened.experiment)
    assert again.id == run.id and again.image.tobytes() == run.image.tobytes()


def test_without_its_pixels_it_is_refused_by_the_pictures_hash(model):
    asked = Experiment(image=SCENE, num_steps=2)
    bare = Experiment.from_dict(json.loads(asked.to_json()))
    assert sdlab.plan(model, bare).nfe == sdlab.plan(model, asked).nfe
    with pytest.raises(ValueError, match=f"picture {asked.image.hash} .* are not at hand"):
        sdlab.run(model, bare)


def test_samplers_are_compared_on_a_picture(model, tmp_path):
    given = {
        "entrants": ["euler", "heun"],
        "prompts": ["a parrot"],
        "budget": 4,
        "reference_steps": 8,
    }
    result = sdlab.compare(model, image=SCENE, strength=0.5, save=tmp_path, **given)
    assert set(result.runs["state"]) == {"done"}
    bare = type(result.comparison).from_dict(json.loads(result.comparison.to_json()))
    lost = sdlab.compare(model, bare.with_(seeds=(1,)))
    assert set(lost.runs["state"]) == {"failed"}
    assert all("are not at hand" in error for error in lost.runs["error"])
