"""Each stage on the CPU: a few steps bring the loss down, and a resumed run is the same run."""

import random
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from sdlab.embedded.captions import describe
from sdlab.embedded.catalogue import CORE
from sdlab.embedded.checker import Checker
from sdlab.embedded.scenes import SceneSampler, held_out
from sdlab.embedded.world import World
from sdlab.reference.losses import timesteps_at
from sdlab.training.attention_loss import grounding_loss, keep_maps
from sdlab.training.loop import Trainer, TrainingPlan
from sdlab.training.nets import (
    load_tokenizer,
    make_second_text_encoder,
    make_text_encoder,
    make_transformer,
    make_unet,
    make_vae,
)
from sdlab.training.optimizer import orthogonalise
from sdlab.training.stage_checker import CheckerStage
from sdlab.training.stage_compose import ComposeStage, exchanged
from sdlab.training.stage_flow import FlowModel, FlowSettings, FlowStage
from sdlab.training.stage_text import TextStage
from sdlab.training.stage_unet import (
    FAINT_FROM,
    FAINT_SHARE,
    SPREAD,
    UnetSettings,
    UnetStage,
    faint_signal,
)
from sdlab.training.stage_vae import VaeStage
from sdlab.training.vocabulary import Vocabulary

pytestmark = pytest.mark.slow

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
    if name == "compose":
        return ComposeStage(text, vocabulary, seed=1, objects=OBJECTS, batch=16)
    if name == "checker":
        return CheckerStage(Checker(OBJECTS, 32), make_vae(), world, seed=1, batch=12)
    if name == "flow":
        model = FlowModel(make_transformer(), make_second_text_encoder(len(vocabulary)))
        settings = FlowSettings(seed=1, objects=OBJECTS, batch=4, block=8)
        return FlowStage(model, make_vae(), text, vocabulary, world, settings)
    return UnetStage(
        make_unet(),
        make_vae(),
        text,
        vocabulary,
        world,
        UnetSettings(seed=1, objects=OBJECTS, batch=4, grounding=0.1, block=8),
    )


def loss_of_one_batch(stage):
    with torch.no_grad():
        return float(stage.loss(1, torch.Generator().manual_seed(0))[0])


LONG = [pytest.param(name, marks=pytest.mark.every) for name in ("vae", "unet", "checker", "flow")]


@pytest.mark.parametrize("name", ["text", "compose", *LONG])
def test_the_loss_falls_and_a_resumed_run_is_the_same(name, world, tmp_path):
    whole_plan = TrainingPlan(steps=8, seed=1, warmup=2, average=0.9)
    whole = Trainer(make_stage(name, world), whole_plan, tmp_path / "whole")
    before = loss_of_one_batch(whole.stage)
    losses = [whole.advance()["loss"] for _ in range(8)]
    whole.save()
    assert loss_of_one_batch(whole.stage) < before

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


def said(scene):
    """Everything that a scene's caption can say, each with its place."""
    items = {(slot, item.name, item.tint) for slot, item in enumerate(scene.items)}
    names = {(slot, "name", name) for slot, name, _ in items}
    tints = {(slot, "tint", tint) for slot, _, tint in items}
    if scene.kind == "count":
        names, tints = {(0, "name", scene.items[0].name)}, {(0, "tint", scene.items[0].tint)}
    return names | tints | {scene.background, scene.relation}


def test_composing_exchanges_two_facts_within_the_training_split():
    vocabulary = Vocabulary(load_tokenizer(), CORE)
    found = 0
    for number in range(400):
        scene, _ = SceneSampler(3, CORE)(number)
        others = exchanged(scene, CORE, random.Random(number))
        if others is None:
            continue
        found += 1
        assert not any(held_out(each) for each in others)
        here, one, two, both = (said(each) for each in (scene, *others))
        assert len(here - one) == len(here - two) == 1
        assert both - here == (one - here) | (two - here)
        captions = (describe(each, random.Random(1)) for each in (scene, *others))
        assert len({vocabulary.encode(words)[1][-1] for words in captions}) == 1  # as long
    assert found > 200


def test_timesteps_are_spread_as_said_and_only_the_noisiest_pictures_are_faint():
    timesteps = timesteps_at((torch.arange(10_000) + 0.5) / 10_000, SPREAD)
    assert timesteps.min() == 0 and timesteps.max() == 999
    for share, last in SPREAD:
        assert abs((timesteps < last).float().mean() - share) < 1e-3
    factors = faint_signal(timesteps, torch.Generator().manual_seed(0))
    assert (factors[timesteps < FAINT_FROM] == 1).all()
    faint = factors[timesteps >= FAINT_FROM] < 1
    assert abs(faint.float().mean() - FAINT_SHARE) < 0.03


def test_a_faint_picture_still_asks_for_the_whole_one(world):
    stage = make_stage("unet", world)
    seen = {}

    def predict(x_t, timesteps, hidden):
        seen["x_t"] = x_t
        return SimpleNamespace(sample=torch.zeros_like(x_t))

    stage.module = predict
    latents, noise = torch.ones(2, 4, 16, 16), torch.zeros(2, 4, 16, 16)
    ids = stage.vocabulary.empty.expand(2, -1)
    t = torch.tensor([900, 900])
    error = stage._error(latents, ids, t, noise, torch.tensor([1.0, 0.25]))
    alpha_bar = float(stage.alpha_bar[900])
    assert torch.allclose(seen["x_t"][1], 0.25 * seen["x_t"][0])
    assert error[0] == pytest.approx(0, abs=1e-9)
    assert error[1] == pytest.approx(alpha_bar * 0.75**2 / (1 - alpha_bar), rel=1e-5)


def test_another_seed_does_not_take_up_a_checkpoint(world, tmp_path):
    trainer = Trainer(make_stage("checker", world), TrainingPlan(steps=2, seed=1), tmp_path)
    trainer.save()
    with pytest.raises(ValueError, match="seed is 2"):
        Trainer(make_stage("checker", world), TrainingPlan(steps=2, seed=2), tmp_path)


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
