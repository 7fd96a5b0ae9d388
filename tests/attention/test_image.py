"""Attention of a given picture, and what a plan says of attention before anything runs."""

import math

import pytest
import torch

import sdlab
from sdlab.attention import of_image
from sdlab.attention.collector import Collector
from sdlab.attention.layers import find_layers
from sdlab.errors import MemoryLimitError, ModelError
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.models import memory
from tests.attention.reference import check, hook_count, materialised

WHOLE = AttentionRecord(heads="all", tokens="all", dtype="float32", self_layers=("all",))


@pytest.fixture(scope="module")
def latents():
    return torch.randn(1, 4, 8, 24, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("halves", ["cond", "both"])
def test_a_picture_is_noised_and_passed_once(small, latents, halves):
    record = AttentionRecord(**{**vars(WHOLE), "halves": halves})
    before = hook_count(small.pipeline.unet)
    maps = of_image(
        small, latents, "a red car", sigma=1.5, seed=7, record=record, negative_prompt="rain"
    )
    assert hook_count(small.pipeline.unet) == before
    timestep = float(small.schedule.sigma_to_timestep(1.5))
    assert (maps.facts.timesteps, maps.facts.sigmas) == ((timestep,), (1.5,))
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(7))
    x_t = (latents + 1.5 * noise) / math.sqrt(1 + 1.5**2)
    cond, uncond = small.encode_prompt("a red car", "rain")
    text = torch.cat([uncond, cond]) if halves == "both" else cond
    rows = len(text)
    call = (x_t.repeat(rows, 1, 1, 1), torch.tensor([timestep] * rows))
    reference = materialised(small.pipeline.unet, (call, {"encoder_hidden_states": text}))
    check(maps, reference, {"cond": -1, "uncond": 0})
    assert maps.heatmap("red car").shape == (8, 24)


def test_the_level_may_be_a_timestep(small, latents):
    maps = of_image(small, latents, "a cat", timestep=400)
    assert maps.facts == of_image(small, latents, "a cat").facts
    assert maps.facts.sigmas[0] == pytest.approx(float(small.schedule.timestep_to_sigma(400)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sigma": 1.0, "timestep": 5.0}, "Give sigma or timestep, not both"),
        ({"sigma": 100.0}, "sigma must be from 0.02917 to 14.61.*got 100"),
        ({"timestep": 1000.0}, "timestep must be from 0 to 999, got 1000"),
        ({"record": AttentionRecord(layers=("1/4",))}, "Unknown attention layer '1/4'"),
    ],
)
def test_bad_levels_are_refused(small, latents, fields, message):
    with pytest.raises(ValueError, match=message):
        of_image(small, latents, "a cat", **fields)


def test_latents_of_another_shape_are_refused(small, latents):
    for bad in (latents[0], latents[:, :3], latents.repeat(2, 1, 1, 1)):
        with pytest.raises(ValueError, match=r"latents must be \[1, 4, h, w\]"):
            of_image(small, bad, "a cat")


def spec(**attention):
    return sdlab.Experiment(
        prompt="a red car",
        negative_prompt="much rain on a beach",
        solver="heun",
        num_steps=5,
        width=192,
        height=72,
        model="small",
        record=sdlab.Record(tensors=(), attention=AttentionRecord(**attention)),
    )


@pytest.mark.parametrize(
    "attention",
    [
        {},
        {"heads": "all", "halves": "both", "dtype": "float32"},
        {"tokens": "all", "steps": 2, "self_layers": ("1/2",)},
        {"layers": (), "self_layers": ("mid_block",), "steps": "last"},
    ],
)
def test_the_estimate_is_what_is_held(small, attention):
    plan = sdlab.plan(small, spec(**attention))
    run = sdlab.run(small, spec(**attention))
    held = sum(tensor.nbytes for tensor in run.trace.attention.tensors.values())
    assert plan.attention.bytes == held == plan.record_bytes


def test_a_record_beyond_its_cap_is_refused_before_it_runs(small):
    needed = sdlab.plan(small, spec()).attention.bytes
    assert sdlab.plan(small, spec(max_bytes=needed)).attention.bytes == needed
    with pytest.raises(MemoryLimitError, match=r"more than the cap of .* \(max_bytes\)"):
        sdlab.plan(small, spec(max_bytes=needed - 1))


def test_a_record_beyond_memory_is_refused_with_the_figures(small, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda _: 2**28)
    wanted = spec(self_layers=("all",), heads="all", max_bytes=2**60).with_(width=512, height=512)
    with pytest.raises(MemoryLimitError, match=r"recorded tensors 3.4 GiB"):
        sdlab.plan(small, wanted)


def test_the_collector_stops_at_the_cap(small):
    layers = find_layers(small.pipeline.unet, (16, 16))
    layer = next(layer for layer in layers if layer.cross)
    record = AttentionRecord(max_bytes=2 * 5 * layer.cells * 2)
    collector = Collector(record, [layer], {"cond": 5}, num_steps=9)
    for evaluation in range(4):
        if collector.wants(evaluation):
            collector.take(layer, "cond", torch.rand(1, 5, layer.cells))
            collector.commit(evaluation, evaluation, 1.0, 1.0)
    maps = collector.finish((16, 16), {})
    assert (collector.truncated, maps.evaluations, maps.facts.truncated) == (True, (0, 1), True)
    assert sum(t.nbytes for t in maps.tensors.values()) == record.max_bytes


def test_unknown_layers_are_refused_before_it_runs(small):
    with pytest.raises(ValueError, match="Unknown attention layer '16x16'.*12x5, 24x9, all"):
        sdlab.plan(small, spec(layers=("16x16",)))


def test_an_unreadable_network_is_refused_before_it_runs(small, monkeypatch):
    module = small.pipeline.unet.mid_block.attentions[0].transformer_blocks[0].attn2
    monkeypatch.setattr(module, "norm_q", torch.nn.Identity())
    with pytest.raises(ModelError, match="normalises its queries"):
        sdlab.plan(small, spec())
    assert sdlab.plan(small, spec(layers=("1/1",))).attention.bytes > 0


def test_layers_have_their_names_and_sizes(small):
    layers = find_layers(small.pipeline.unet, (9, 24))
    cross = [layer for layer in layers if layer.cross]
    assert [layer.name.split(".")[0] for layer in cross] == [
        "down_blocks", "mid_block", "up_blocks", "up_blocks",
    ]  # fmt: skip
    assert [layer.size for layer in cross] == ["24x9", "12x5", "24x9", "24x9"]
    assert [layer.share for layer in cross] == [1, 2, 1, 1]
    assert all(layer.name in dict(small.pipeline.unet.named_modules()) for layer in layers)
