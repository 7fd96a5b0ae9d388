"""What making maps takes beside the maps: pieces of scores, and nothing that outlives them."""

import weakref

import pytest
import torch

import sdlab
from sdlab.attention import hooks, planning, probabilities
from sdlab.attention.collector import Collector
from sdlab.attention.layers import find_layers
from sdlab.errors import MemoryLimitError
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.models import memory
from tests.attention.reference import hook_count
from tests.tracing.pipelines import text2img


@pytest.mark.parametrize("cross", [True, False])
def test_at_most_two_pieces_of_scores_are_held(monkeypatch, cross):
    alive, most = weakref.WeakSet(), []
    chunks = probabilities.chunks

    def watched(*arguments):
        for scores in chunks(*arguments):
            alive.add(scores)
            most.append(len(alive))
            yield scores

    monkeypatch.setattr(probabilities, "chunks", watched)
    monkeypatch.setattr(probabilities, "CHUNK_BYTES", 4 * 12 * 8 * 4)
    keys = 12 if cross else 64
    query, key = torch.randn(1, 4, 64, 8), torch.randn(1, 4, keys, 8)
    scores = probabilities.Scores(query, key, 0.3, slice(0, keys))
    if cross:
        maps = probabilities.cross_maps(scores, "all", "float32", 12)
    else:
        maps = probabilities.self_maps(scores, "all", "float32")
    assert len(most) >= 8
    assert max(most) <= 2
    assert len(alive) == 0
    assert maps.untyped_storage().nbytes() == maps.nbytes


def test_layers_are_computed_together_while_their_scores_fit(monkeypatch, small):
    together = []
    compute = hooks._compute

    def spy(layers, *rest):
        together.append(len(layers))
        compute(layers, *rest)

    monkeypatch.setattr(hooks, "_compute", spy)
    record = sdlab.Record((), attention=AttentionRecord(layers=("1/1",)))
    one = sdlab.Experiment(prompt="a red car", num_steps=1, model="small", record=record)
    whole = sdlab.run(small, one).trace.attention
    layer = whole.facts.layers[0]
    assert together == [len(whole.facts.layers)]
    assert together[0] > 1
    together.clear()
    monkeypatch.setattr(probabilities, "CHUNK_BYTES", layer.heads * layer.cells * 77 * 4)
    apart = sdlab.run(small, one).trace.attention
    assert together == [1] * len(whole.facts.layers)
    for name, maps in whole.tensors.items():
        assert torch.equal(maps, apart.tensors[name])


def test_a_kept_part_lets_the_whole_go(small):
    layers = find_layers(small.pipeline.unet, (16, 16))
    layer = next(layer for layer in layers if layer.cross)
    collector = Collector(AttentionRecord(), [layer], {"cond": 5}, num_steps=1)
    collector.take(layer, "cond", torch.rand(1, 77, layer.cells, dtype=torch.float16))
    (kept,) = collector._pending.values()
    assert kept.untyped_storage().nbytes() == kept.nbytes == 5 * layer.cells * 2


def test_working_memory_grows_with_rows_and_heads(small):
    unet = small.pipeline.unet
    layers = find_layers(unet, (128, 128))

    def needed(rows=2, **fields):
        return planning.working_bytes(unet, AttentionRecord(**fields), layers, 77, rows)

    floor = 2 * hooks.HELD_BYTES + 3 * probabilities.CHUNK_BYTES
    assert floor < needed() < needed(heads="all") < needed(4, heads="all")
    plan = sdlab.plan(
        small,
        sdlab.Experiment(
            prompt="a car", model="small", record=sdlab.Record((), attention=AttentionRecord())
        ),
    )
    assert plan.activation_bytes >= plan.attention.working_bytes > floor


def test_a_traced_call_beyond_memory_is_refused_with_the_figures(monkeypatch):
    pipe = text2img()[0]
    before = hook_count(pipe.unet)
    monkeypatch.setattr(memory, "available_bytes", lambda _: 2**26)
    with pytest.raises(MemoryLimitError, match=r"record of this call needs 8\d\.\d MiB on cpu"):
        with sdlab.trace(pipe):
            pipe("a red car", num_inference_steps=2, output_type="latent")
    assert hook_count(pipe.unet) == before


def test_the_hooks_of_a_traced_call_are_set_once():
    pipe = text2img()[0]
    found = []

    def look(pipe, step, timestep, tensors):
        modules = [m for name, m in pipe.unet.named_modules() if name.endswith("to_q")]
        found.append([list(m._forward_hooks) for m in modules])
        return tensors

    record = sdlab.Record((), attention=AttentionRecord(steps="last"))
    with sdlab.trace(pipe, record) as traced:
        pipe("a car", num_inference_steps=3, output_type="latent", callback_on_step_end=look)
    assert found[0] == found[1] == found[2]
    assert any(found[0])
    assert traced.maps().evaluations == (2,)
