"""Attention recorded by the engine: exact, of the right rows, and without a trace in the result."""

import numpy as np
import pytest
import torch

import sdlab
from sdlab.attention import hooks, probabilities
from sdlab.denoisers.network import evaluate
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.sampling import engine as engine_module
from tests.attention.reference import check, hook_count, materialised

EVERYTHING = AttentionRecord(
    self_layers=("all",), heads="all", tokens="all", halves="both", dtype="float32"
)


def spec(attention=EVERYTHING, **fields):
    record = sdlab.Record(tensors=("x_t",), attention=attention)
    defaults = {"prompt": "a red car", "solver": "euler", "num_steps": 2, "guidance_scale": 3.0}
    return sdlab.Experiment(**{"model": "small", "record": record, **defaults, **fields})


def references(model, run):
    """The probabilities of each kept evaluation by definition, from the recorded x_t."""
    x = run.experiment
    guided = x.guidance_scale > 1
    cond, uncond = model.encode_prompt(x.prompt, x.negative_prompt if guided else None)
    text = torch.cat([uncond, cond]) if guided else cond
    rows = len(text)
    times = run.steps["timestep"].tolist()
    calls = [
        (
            (x_t[None].repeat(rows, 1, 1, 1), torch.tensor([t] * rows)),
            {"encoder_hidden_states": text},
        )
        for x_t, t in zip(run.trace.x_t, times, strict=True)
    ]
    return materialised(model.pipeline.unet, *calls)


ROWS = {"cond": -1, "uncond": 0}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"guidance_scale": 1.0},
        pytest.param({"guidance_scale": 0.5}, marks=pytest.mark.every),
        {"negative_prompt": "rain, a very long sentence of many words"},
        {"width": 192, "height": 64},
        pytest.param({"width": 72, "height": 136}, marks=pytest.mark.every),
        {"solver": "heun", "num_steps": 3},
        {"solver": "PNDMScheduler", "num_steps": 4},
        pytest.param({"solver": "KDPM2DiscreteScheduler", "num_steps": 3}, marks=pytest.mark.every),
        {"prompt": "word " * 90},
        {"prompt": ""},
    ],
    ids=str,
)
def test_maps_are_the_definition_s(small, fields):
    run = sdlab.run(small, spec(**fields))
    check(run.trace.attention, references(small, run), ROWS)


def test_every_evaluation_has_its_own_index(small):
    run = sdlab.run(small, spec(solver="heun", num_steps=3))
    facts = run.trace.attention.facts
    assert facts.evaluations == (0, 1, 2, 3, 4)
    assert facts.steps == (0, 0, 1, 1, 2)
    assert facts.sigmas == tuple(run.steps["sigma"])
    repeated = sdlab.run(small, spec(solver="PNDMScheduler", num_steps=4)).trace.attention.facts
    assert len(set(repeated.timesteps)) < len(repeated.evaluations) == 13


def test_shares_sum_to_one(small):
    run = sdlab.run(small, spec(EVERYTHING, width=192, height=64))
    for layer in run.trace.attention.facts.layers:
        maps = run.trace.attention.maps(layer).double()
        total = maps.sum(2) if layer.cross else maps.sum((3, 4))
        torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-6)


@pytest.mark.parametrize("heads", ["mean", "max"])
def test_heads_are_reduced_before_they_are_kept(small, heads):
    whole = sdlab.run(small, spec()).trace.attention
    small_record = AttentionRecord(heads=heads, self_layers=("1/2",), dtype="float32")
    reduced = sdlab.run(small, spec(small_record)).trace.attention
    for layer in reduced.facts.layers:
        every = whole.maps(layer)
        expected = every.mean(1) if heads == "mean" else every.amax(1)
        kept = reduced.maps(layer)[:, 0]
        torch.testing.assert_close(kept, expected[:, : kept.shape[1]], rtol=0, atol=1e-7)


@pytest.mark.parametrize("heads", ["mean", "max", "all"])
def test_what_is_kept_by_default_is_rounded_by_half_a_unit_at_most(small, heads):
    assert AttentionRecord().dtype == "float16"
    kept = sdlab.run(small, spec(AttentionRecord(heads=heads))).trace.attention
    exact = sdlab.run(small, spec(AttentionRecord(heads=heads, dtype="float32"))).trace.attention
    rounded = 0.0
    for key, own in kept.tensors.items():
        torch.testing.assert_close(own.float(), exact.tensors[key], rtol=2**-11, atol=2**-25)
        rounded = max(rounded, (own.float() - exact.tensors[key]).abs().max().item())
    assert rounded > 0


def test_what_is_kept_is_what_was_asked_for(small):
    run = sdlab.run(small, spec(AttentionRecord(layers=("mid_block",), steps=2), num_steps=6))
    attention = run.trace.attention
    assert attention.facts.steps == (0, 2, 4, 5)
    assert attention.resolutions == ["8x8"]
    maps = attention.maps(attention.names[0])
    assert (maps.shape, maps.dtype) == ((4, 1, 5, 8, 8), torch.float16)
    last = sdlab.run(small, spec(AttentionRecord(steps="last"), solver="heun", num_steps=3))
    assert last.trace.attention.evaluations == (4,)


@pytest.mark.parametrize("solver", ["heun", "euler_ancestral", "DPMSolverMultistepScheduler"])
def test_observing_changes_nothing(small, solver):
    plain = sdlab.run(small, spec(None, solver=solver, num_steps=4))
    traced = sdlab.run(small, spec(EVERYTHING, solver=solver, num_steps=4))
    assert torch.equal(plain.latents, traced.latents)
    assert torch.equal(plain.trace.x_t, traced.trace.x_t)
    assert np.array_equal(np.asarray(plain.image), np.asarray(traced.image))


def test_hooks_are_gone_after_every_call(small, monkeypatch):
    unet = small.pipeline.unet
    before, during = hook_count(unet), []

    def spy(model, samples):
        during.append(hook_count(unet))
        return evaluate(model, samples)

    monkeypatch.setattr(engine_module, "evaluate", spy)
    engine = sdlab.Engine(small)
    engine.submit(spec(AttentionRecord(steps="last"), num_steps=3))
    while engine.round():
        assert hook_count(unet) == before
    assert during == [before, before, before + 2 * 4]


def test_who_records_nothing_pays_nothing(small, monkeypatch):
    def refuse(*_):
        raise AssertionError("hooks were installed")

    monkeypatch.setattr(hooks, "recording", refuse)
    assert sdlab.run(small, spec(None)).trace.names() == ["x_t"]


def test_hooks_are_gone_after_an_exception(small, monkeypatch):
    before = hook_count(small.pipeline.unet)

    def fail(*_):
        raise RuntimeError("in the middle")

    monkeypatch.setattr(probabilities, "chunks", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        sdlab.run(small, spec())
    assert hook_count(small.pipeline.unet) == before


def test_mixed_batches_give_each_run_its_own(small):
    wanted = [
        spec(prompt="a red car", seed=1),
        spec(prompt="a parrot on a beach", seed=2, guidance_scale=1.0),
        spec(None, prompt="nobody looks", seed=3),
        spec(AttentionRecord(heads="max", dtype="float32"), prompt="three cats", seed=4),
        spec(AttentionRecord(layers=("mid_block",), dtype="float32", steps=2), num_steps=5, seed=5),
        spec(solver="heun", num_steps=4, seed=6, negative_prompt="rain"),
    ]
    together = sdlab.run_many(small, wanted)
    assert max(run.manifest["largest_call"] for run in together) == 11
    for mixed, one in zip(together, wanted, strict=True):
        if one.record.attention is None:
            assert not mixed.trace.has_attention
            continue
        alone = sdlab.run(small, one).trace.attention
        own = mixed.trace.attention
        assert own.facts == alone.facts
        assert list(own.tensors) == list(alone.tensors)
        for key in own.tensors:
            torch.testing.assert_close(own.tensors[key], alone.tensors[key], rtol=0, atol=1e-5)


def test_a_call_made_again_is_counted_once(small, monkeypatch):
    failed = []

    def once(model, samples):
        outputs = evaluate(model, samples)
        if len(samples) == 2 and not failed:
            failed.append(True)
            raise RuntimeError("out of memory")
        return outputs

    monkeypatch.setattr(engine_module, "evaluate", once)
    runs = sdlab.run_many(small, [spec(seed=1), spec(seed=2)])
    assert failed
    for run in runs:
        assert run.trace.attention.evaluations == (0, 1)
        check(run.trace.attention, references(small, run), ROWS)


def test_chunks_add_up(small, monkeypatch):
    whole = sdlab.run(small, spec()).trace.attention
    monkeypatch.setattr(probabilities, "CHUNK_BYTES", 50_000)
    pieces = sdlab.run(small, spec()).trace.attention
    for key in whole.tensors:
        torch.testing.assert_close(pieces.tensors[key], whole.tensors[key], rtol=0, atol=1e-6)
