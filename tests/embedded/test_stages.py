"""Each stage on the CPU: a few steps bring the loss down, and a resumed run is the same run."""

import pytest
import torch
from safetensors.torch import load_file

from sdlab.embedded.attention_loss import grounding_loss, keep_maps
from sdlab.embedded.checker import Checker
from sdlab.embedded.loop import Plan, Trainer
from sdlab.embedded.nets import load_tokenizer, make_text_encoder, make_unet, make_vae
from sdlab.embedded.optimizer import orthogonalise
from sdlab.embedded.stage_checker import CheckerStage
from sdlab.embedded.stage_text import TextStage
from sdlab.embedded.stage_unet import UnetStage
from sdlab.embedded.stage_vae import VaeStage
from sdlab.embedded.vocabulary import Vocabulary
from sdlab.embedded.world import World

OBJECTS = ("cat", "parrot", "car", "heart")


@pytest.fixture(scope="module")
def world():
    return World()


def make_stage(name, world):
    torch.manual_seed(0)
    vocabulary = Vocabulary(load_tokenizer(), OBJECTS)
    text = make_text_encoder(len(vocabulary))
    if name == "vae":
        return VaeStage(make_vae(), world, seed=1, batch=2, objects=OBJECTS)
    if name == "text":
        return TextStage(text, vocabulary, world, seed=1, objects=OBJECTS, batch=16)
    if name == "checker":
        return CheckerStage(Checker(OBJECTS, 32), make_vae(), world, seed=1, batch=12)
    return UnetStage(
        make_unet(),
        make_vae(),
        text,
        vocabulary,
        world,
        seed=1,
        objects=OBJECTS,
        batch=4,
        grounding=0.1,
        block=8,
    )


@pytest.mark.parametrize("name", ["vae", "text", "unet", "checker"])
def test_the_loss_falls_and_a_resumed_run_is_the_same(name, world, tmp_path):
    whole_plan = Plan(steps=8, seed=1, warmup=2, average=0.9)
    whole = Trainer(make_stage(name, world), whole_plan, tmp_path / "whole")
    losses = [whole.advance()["loss"] for _ in range(8)]
    whole.save()
    assert min(losses[-3:]) < losses[0]

    half = Trainer(make_stage(name, world), whole_plan, tmp_path / "half")
    for _ in range(4):
        half.advance()
    half.save()
    resumed = Trainer(make_stage(name, world), whole_plan, tmp_path / "half")
    assert resumed.step == 4
    assert [resumed.advance()["loss"] for _ in range(4)] == losses[4:]
    resumed.save()
    a, b = (load_file(tmp_path / n / "checkpoint.safetensors") for n in ("whole", "half"))
    assert a.keys() == b.keys()
    for key in a:
        torch.testing.assert_close(a[key], b[key], rtol=0, atol=0)


def test_another_seed_does_not_take_up_a_checkpoint(world, tmp_path):
    trainer = Trainer(make_stage("checker", world), Plan(steps=2, seed=1), tmp_path)
    trainer.save()
    with pytest.raises(ValueError, match="seed is 2"):
        Trainer(make_stage("checker", world), Plan(steps=2, seed=2), tmp_path)


def test_orthogonalise_brings_all_singular_values_near_one():
    matrix = torch.randn(24, 60, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrix).float())
    assert 0.5 < values.min() and values.max() < 1.4
    tall = torch.linalg.svdvals(orthogonalise(matrix.T).float())
    torch.testing.assert_close(tall, values, rtol=0.02, atol=0.02)


def test_keeping_maps_changes_the_output_only_by_rounding_and_is_undone():
    torch.manual_seed(0)
    unet = make_unet().eval()
    arguments = torch.randn(2, 4, 16, 16), 500, torch.randn(2, 77, 128)
    before = {name: type(p) for name, p in unet.attn_processors.items()}
    with torch.no_grad():
        plain = unet(*arguments).sample
        with keep_maps(unet) as maps:
            kept = unet(*arguments).sample
    torch.testing.assert_close(kept, plain, rtol=1e-4, atol=1e-4)
    assert {name: type(p) for name, p in unet.attn_processors.items()} == before
    assert len(maps) == 7
    for probabilities in maps:
        torch.testing.assert_close(probabilities.sum(-1), torch.ones(probabilities.shape[:2]))


def test_grounding_is_zero_inside_the_mask_and_one_outside():
    attention = torch.zeros(1, 256, 77)
    attention[0, :128, 3] = 0.2
    mask = torch.zeros(1, 1, 16, 16)
    mask[0, 0, :8] = 1
    words, weight = torch.tensor([[3]]), torch.ones(1)
    assert float(grounding_loss([attention], words, mask, weight)) == pytest.approx(0, abs=1e-6)
    assert float(grounding_loss([attention], words, 1 - mask, weight)) == pytest.approx(1)
