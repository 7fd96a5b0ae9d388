"""Fast mode: the same network in bfloat16, told apart from an exact run wherever it matters."""

import json
from statistics import median

import pytest
import torch
from torch import nn

import sdlab
from sdlab.denoisers.network import Sample, evaluate
from sdlab.models.model import Model
from sdlab.sampling import engine as engine_module
from tests.conftest import make_pipeline

FAST = sdlab.Experiment(prompt="a parrot", solver="dpmpp_2m", num_steps=4, model="small", fast=True)
EXACT = FAST.with_(fast=False)


def relative_rmse(a, b):
    return float((a - b).square().mean().sqrt() / b.square().mean().sqrt())


def test_exact_experiments_keep_the_ids_that_they_had():
    assert "fast" not in EXACT.to_json()
    assert sdlab.Experiment().id == "367be5af37e9011d"
    assert FAST.id != EXACT.id
    assert sdlab.Experiment.from_dict(json.loads(FAST.to_json())) == FAST


@pytest.mark.parametrize("value", [1, "yes", None])
def test_only_true_and_false_are_taken(value):
    with pytest.raises(ValueError, match=f"fast must be True or False, got {value!r}"):
        sdlab.Experiment(fast=value)


def test_a_fast_run_is_near_the_exact_one_and_says_what_it_is(small):
    fast, exact = sdlab.run(small, FAST), sdlab.run(small, EXACT)
    assert 1e-4 < relative_rmse(fast.latents, exact.latents) < 0.05
    assert fast.latents.dtype == fast.trace.x0_pred.dtype == torch.float32
    assert fast.manifest["model"]["computed_in"] == "bfloat16"
    assert fast.manifest["experiment"]["fast"] is True
    assert exact.manifest["model"]["computed_in"] == exact.manifest["model"]["dtype"] == "float32"


def test_a_fast_run_changes_no_exact_one_after_it(small):
    before = sdlab.run(small, EXACT).latents
    weights = {name: w.clone() for name, w in small.pipeline.unet.state_dict().items()}
    one, two = (sdlab.run(small, FAST).latents for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(sdlab.run(small, EXACT).latents, before)
    for name, weight in small.pipeline.unet.state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, weights[name])


@pytest.mark.parametrize("timestep", [750.0, 500.0, 250.0])
def test_a_call_of_the_embedded_model_is_off_by_its_roundings(embedded, timestep):
    # bfloat16 rounds by 2^-9 of a value at most, 2^-9 / sqrt(3) on average. Every layer rounds its
    # weights, inputs and outputs; independent, K layers add up to sqrt(3 K) times that average.
    unet = embedded.pipeline.unet
    layers = sum(isinstance(m, nn.Linear | nn.Conv2d) for m in unet.modules())
    cond, uncond = embedded.encode_prompt("a red car", "")
    noise = torch.randn(4, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    exact = [Sample(x[None], timestep, cond, uncond, 4.0, 0.0) for x in noise]
    calls = [evaluate(embedded, [s._replace(fast=f) for s in exact]) for f in (True, False)]
    for fast, plain in zip(*calls, strict=True):
        assert 1e-4 < relative_rmse(fast.cond, plain.cond) < layers**0.5 * 2**-9


def test_pictures_are_off_by_less_than_the_sampler_itself(embedded):
    # A single picture may tip over to another one, as by any small change: so the median.
    wanted = [EXACT.with_(model="embedded", num_steps=4, seed=seed) for seed in range(3)]
    exact = sdlab.run_many(embedded, wanted)
    fast = sdlab.run_many(embedded, [e.with_(fast=True) for e in wanted])
    fine = sdlab.run_many(embedded, [e.with_(num_steps=12) for e in wanted])
    apart, off = (
        median(relative_rmse(a.latents, b.latents) for a, b in zip(runs, truth, strict=True))
        for runs, truth in ((fast, exact), (exact, fine))
    )
    assert 0 < apart < off


def test_fast_and_exact_runs_share_no_call(small, monkeypatch):
    kinds = []

    def spy(model, samples):
        kinds.append([sample.fast for sample in samples])
        return evaluate(model, samples)

    monkeypatch.setattr(engine_module, "evaluate", spy)
    wanted = [e.with_(seed=seed, num_steps=2) for seed in (1, 2) for e in (FAST, EXACT)]
    runs = sdlab.run_many(small, wanted)
    assert sorted(kinds) == [[False, False]] * 2 + [[True, True]] * 2
    alone = sdlab.run(small, wanted[1])
    torch.testing.assert_close(runs[1].latents, alone.latents, rtol=1e-5, atol=1e-5)
    assert relative_rmse(runs[0].latents, alone.latents) > 1e-4


def test_outputs_are_float32_before_guidance(small):
    cond, uncond = small.encode_prompt("a parrot", "")
    x = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    out = evaluate(small, [Sample(x, 500.0, cond, uncond, 3.0, 0.0, fast=True)])[0]
    assert out.cond.dtype == out.uncond.dtype == torch.float32
    assert torch.equal(out.guided, out.uncond + 3.0 * (out.cond - out.uncond))
    assert torch.equal(out.cond, out.cond.bfloat16().float())


def test_attention_is_recorded_of_what_was_computed(small):
    record = sdlab.Record(attention=sdlab.AttentionRecord(dtype="float32"))
    watched, exact = (sdlab.run(small, e.with_(record=record)) for e in (FAST, EXACT))
    assert torch.equal(watched.latents, sdlab.run(small, FAST).latents)
    fast_map, exact_map = watched.heatmap("parrot"), exact.heatmap("parrot")
    assert not (fast_map == exact_map).all()
    assert abs(fast_map - exact_map).max() < 0.05 * exact_map.max()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_model_that_is_not_in_float32_is_refused(dtype):
    model = Model(make_pipeline().to(dtype), "small")
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(ValueError, match=f"was loaded in {name}. Leave fast out"):
        sdlab.plan(model, FAST)
