"""The attention of transformers in the engine: alone as traced, together as alone."""

import pytest
import torch

import sdlab
from sdlab.models.model import Model
from sdlab.sampling.engine import run_many
from tests.zoo.pipelines import build

BOTH = sdlab.AttentionRecord(halves="both", heads="all", dtype="float32")
RECORD = sdlab.Record((), attention=BOTH)


def model(name):
    pipe, words = build(name)
    return Model(pipe, name), words


def experiment(name, words, seed, prompt, **fields):
    given = {"num_steps": 2, "width": 96, "height": 64, "record": RECORD, "model": name}
    if "max_sequence_length" in words:
        given["max_sequence_length"] = 256
    return sdlab.Experiment(prompt=prompt, seed=seed, **{**given, **fields})


@pytest.mark.parametrize(
    "name", ["StableDiffusion3Pipeline", "FluxPipeline", "QwenImagePipeline", "WanPipeline"]
)
def test_runs_together_are_recorded_as_alone(name):
    loaded, words = model(name)
    wanted = [
        experiment(name, words, seed, prompt, negative_prompt="rain")
        for seed, prompt in enumerate(("a red car", "a cat and a dog"))
    ]
    together = run_many(loaded, wanted)
    for run, one in zip(together, wanted, strict=True):
        (alone,) = run_many(loaded, [one])
        maps, expected = run.trace.attention, alone.trace.attention
        assert len(maps) == len(run.steps)
        assert maps.words == expected.words == one.prompt.split()
        assert maps.halves == expected.halves
        for key, own in maps.tensors.items():
            torch.testing.assert_close(own, expected.tensors[key], rtol=0, atol=1e-4)
        assert "text_share" in run.attention or not maps.cross_layers[0].joint
        plan = sdlab.plan(loaded, one)
        assert plan.attention.bytes >= sum(x.nbytes for x in maps.tensors.values())


def test_what_cannot_be_read_is_left_out_and_said(tmp_path):
    name = "ErnieImagePipeline"
    loaded, _ = model(name)
    (run,) = run_many(loaded, [experiment(name, {}, 0, "a red car")])
    with pytest.raises(ValueError, match="Attention was not recorded"):
        _ = run.trace.attention
    assert any("attention is not read" in warning for warning in run.manifest["warnings"])
    again = sdlab.open_run(run.save(tmp_path))
    assert not again.trace.has_attention


def test_maps_of_a_transformer_are_stored_with_the_run(tmp_path):
    name = "StableDiffusion3Pipeline"
    loaded, words = model(name)
    (run,) = run_many(loaded, [experiment(name, words, 0, "a red car")])
    again = sdlab.open_run(run.save(tmp_path))
    maps, own = again.trace.attention, run.trace.attention
    assert maps.facts == own.facts
    assert (maps.heatmap("car") == own.heatmap("car")).all()
    assert again.attention["text_share"].tolist() == run.attention["text_share"].tolist()
