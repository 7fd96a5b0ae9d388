"""Attention of joint transformers: exact, summing to 1, and without a trace in the result."""

import threading

import pytest
import torch
from diffusers import FluxTransformer2DModel, SD3Transformer2DModel
from torch.overrides import _get_current_function_mode_stack

from sdlab.attention import hooks, planning
from sdlab.attention.collector import Collector
from sdlab.attention.hooks import Part, recording
from sdlab.attention.layers import find_layers
from sdlab.attention.maps import share_key
from sdlab.errors import ModelError
from sdlab.experiment.attention_record import AttentionRecord
from tests.attention.joint_reference import materialised
from tests.attention.reference import hook_count

EVERYTHING = AttentionRecord(
    self_layers=("all", "text"), heads="all", tokens="all", halves="both", dtype="float32"
)
SIZE, WORDS, ROWS = (12, 20), 7, 3


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sd3(**changes):
    """A tiny Stable Diffusion 3.5 and a call of it: patches of 2, norms, a layer of two parts."""
    torch.manual_seed(0)
    config = {
        "sample_size": 32,
        "patch_size": 2,
        "in_channels": 4,
        "out_channels": 4,
        "num_layers": 3,
        "attention_head_dim": 8,
        "num_attention_heads": 4,
        "joint_attention_dim": 32,
        "caption_projection_dim": 32,
        "pooled_projection_dim": 16,
        "qk_norm": "rms_norm",
        "dual_attention_layers": (0,),
    }
    network = SD3Transformer2DModel(**{**config, **changes}).eval()
    call = {
        "hidden_states": noise(ROWS, 4, *SIZE, seed=1),
        "encoder_hidden_states": 3 * noise(ROWS, WORDS, 32, seed=2),
        "pooled_projections": noise(ROWS, 16, seed=3),
        "timestep": torch.full((ROWS,), 500.0),
    }
    return shaken(network), call, False


def flux():
    """A tiny Flux and a call of it."""
    torch.manual_seed(0)
    network = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        axes_dims_rope=[4, 4, 8],
    ).eval()
    height, width = SIZE[0] // 2, SIZE[1] // 2
    ids = torch.zeros(height, width, 3)
    ids[..., 1] += torch.arange(height)[:, None]
    ids[..., 2] += torch.arange(width)[None]
    call = {
        "hidden_states": noise(ROWS, height * width, 16, seed=1),
        "encoder_hidden_states": 3 * noise(ROWS, WORDS, 32, seed=2),
        "pooled_projections": noise(ROWS, 16, seed=3),
        "timestep": torch.full((ROWS,), 0.5),
        "img_ids": ids.reshape(-1, 3),
        "txt_ids": torch.zeros(WORDS, 3),
    }
    return shaken(network), call, True


def shaken(network):
    """Random weights everywhere, so that no attention is uniform and no norm is the identity."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.15 * torch.randn_like(parameter)
    return network


@pytest.fixture(params=[sd3, flux], ids=["sd3", "flux"])
def made(request):
    return request.param()


def recorded(network, call, record=EVERYTHING, rows=None, counts=None):
    """The maps of one call, by picture."""
    layers = planning.choose_layers(network, record, SIZE)
    rows = rows or [{"cond": 0}]
    collectors = [Collector(record, layers, counts or {}, 1) for _ in rows]
    parts = [Part(one, row) for one, row in zip(collectors, rows, strict=True)]
    with torch.no_grad(), recording(network, parts):
        output = network(**call)[0]
    for one in collectors:
        one.commit(0, 0, 500.0, 1.0)
    return [one.finish(SIZE, {}) for one in collectors], output


def plain(network, call):
    with torch.no_grad():
        return network(**call)[0]


def test_maps_are_the_definition_s(made):
    network, call, text_first = made
    (first, second), output = recorded(network, call, rows=[{"cond": 2, "uncond": 0}, {"cond": 1}])
    assert torch.equal(output, plain(network, call))
    reference = materialised(network, ((), call))
    for maps, rows in ((first, {"cond": 2, "uncond": 0}), (second, {"cond": 1})):
        assert {layer.size for layer in maps.facts.layers} == {"10x6"}
        for layer in maps.facts.layers:
            for half, row in rows.items():
                p = reference[layer.module][0][row]
                text, cells = (
                    (slice(0, WORDS), slice(WORDS, None))
                    if text_first
                    else (slice(60, None), slice(0, 60))
                )
                if layer.cross:
                    expected = p[:, cells, text].mT
                    share = p[:, cells, text].sum(-1).unflatten(-1, (6, 10))
                    own = maps.tensors[share_key(half, layer)][0].double()
                    torch.testing.assert_close(own, share, rtol=0, atol=1e-5)
                else:
                    expected = p[:, text if layer.of_text else cells, cells]
                expected = expected.unflatten(-1, (6, 10))
                own = maps.tensors[f"{half}/{layer.name}"][0].double()
                torch.testing.assert_close(own, expected, rtol=0, atol=1e-5)
                assert expected.std() > 1e-3


def test_text_and_picture_sum_to_one(made):
    network, call, _ = made
    (maps,), _ = recorded(network, call)
    for layer in maps.cross_layers:
        share = maps.text_share(layer).double()
        words = maps.maps(layer).double().sum(2)
        torch.testing.assert_close(words, share, rtol=0, atol=1e-6)
        picture = maps.maps(f"{layer.name}.picture").double().sum((3, 4)).reshape(share.shape)
        torch.testing.assert_close(words + picture, torch.ones_like(share), rtol=0, atol=1e-6)
        assert 0.01 < share.mean() < 0.99
    assert len(maps.text_layers) == len(maps.cross_layers)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_words_alone_are_the_same_as_with_the_rest(made, dtype):
    network, call, _ = made
    network = network.to(dtype)
    call = {name: x.to(dtype) if x.is_floating_point() else x for name, x in call.items()}
    (whole,), output = recorded(network, call)
    (words,), own = recorded(network, call, EVERYTHING.with_(self_layers=()))
    assert torch.equal(own, output)
    assert torch.equal(own, plain(network, call))
    exact = {"rtol": 0, "atol": 1e-6 if dtype == torch.float32 else 1e-5}
    for layer in words.cross_layers:
        torch.testing.assert_close(words.maps(layer), whole.maps(layer), **exact)
        torch.testing.assert_close(words.text_share(layer), whole.text_share(layer), **exact)


def test_the_second_part_of_a_dual_layer_sees_the_picture_only():
    network, call, _ = sd3()
    (maps,), _ = recorded(network, call, EVERYTHING.with_(layers=(), self_layers=("all",)))
    (dual,) = (layer for layer in maps.self_layers if not layer.joint)
    assert dual.name == "transformer_blocks.0.attn2"
    total = maps.maps(dual).double().sum((3, 4))
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-6)


def test_words_that_are_not_a_prefix_are_kept(made):
    network, call, _ = made
    (whole,), _ = recorded(network, call)
    (some,), _ = recorded(network, call, counts={"cond": (1, 4, 5)})
    for layer in some.cross_layers:
        assert torch.equal(some.maps(layer), whole.maps(layer)[:, :, [1, 4, 5]])
        assert torch.equal(some.text_share(layer), whole.text_share(layer))


def test_what_is_kept_takes_what_was_planned(made):
    network, call, _ = made
    for fields in ({}, {"heads": "mean", "self_layers": ()}, {"dtype": "float16"}):
        record = EVERYTHING.with_(**fields)
        for kept in (None, 3, (1, 4)):
            (maps,), _ = recorded(network, call, record, counts={"cond": kept})
            layers = maps.facts.layers
            planned = planning.evaluation_bytes(record, layers, {"cond": kept}, WORDS)
            assert sum(x.nbytes for x in maps.tensors.values()) == planned
            assert planning.working_bytes(network, record, layers, WORDS, ROWS) > planned


def test_two_calls_make_the_two_halves_of_an_evaluation(made):
    network, call, _ = made
    record = EVERYTHING
    layers = planning.choose_layers(network, record, SIZE)
    collector = Collector(record, layers, {}, 1)
    one = {name: x[:1] if len(x) == ROWS else x for name, x in call.items()}
    other = {name: x[1:2] if len(x) == ROWS else x for name, x in call.items()}
    with torch.no_grad(), recording(network, [Part(collector, {"uncond": 0})]):
        network(**one)
    with torch.no_grad(), recording(network, [Part(collector, {"cond": 0}, more=True)]):
        network(**other)
    collector.commit(0, 0, 500.0, 1.0)
    maps = collector.finish(SIZE, {})
    (whole,), _ = recorded(network, call, rows=[{"cond": 1, "uncond": 0}])
    for name, kept in whole.tensors.items():
        torch.testing.assert_close(maps.tensors[name], kept, rtol=1e-4, atol=1e-6)


def test_nothing_stays_behind(made):
    network, call, _ = made
    before = hook_count(network)
    recorded(network, call)
    layers = find_layers(network, SIZE)

    def refuse(*_):
        raise ModelError("enough")

    with pytest.raises(ModelError, match="enough"), torch.no_grad():
        with hooks.watching(network, layers, refuse):
            network(**call)
    bad = {**call, "encoder_hidden_states": noise(ROWS, WORDS, 31)}
    with pytest.raises(RuntimeError), hooks.watching(network, layers, refuse):
        network(**bad)
    assert hook_count(network) == before
    assert not _get_current_function_mode_stack()


def test_other_threads_are_not_recorded(made):
    network, call, _ = made
    heard, found = [], []
    layers = find_layers(network, SIZE)
    with hooks.watching(network, layers, lambda *_: heard.append(1)):
        thread = threading.Thread(target=lambda: found.append(plain(network, call)))
        thread.start()
        thread.join()
        assert not heard
        own = plain(network, call)
    assert len(heard) == len(layers)
    assert torch.equal(own, found[0])


def test_hooks_can_be_set_within_a_call(made):
    network, call, _ = made
    heard = []
    layers = find_layers(network, SIZE)
    contexts = []

    def begin(_, args, kwargs):
        context = hooks.watching(network, layers, lambda *_: heard.append(1), (args, kwargs))
        contexts.append(context)
        context.__enter__()

    handle = network.register_forward_pre_hook(begin, with_kwargs=True)
    plain(network, call)
    handle.remove()
    contexts[0].__exit__(None, None, None)
    assert len(heard) == len(layers)


def test_what_does_not_add_up_is_refused(made):
    network, call, _ = made
    layers = find_layers(network, (SIZE[0], SIZE[1] - 4))
    with pytest.raises(ModelError, match=r"where a picture of 8 x 6 places and a text of 7 tokens"):
        with hooks.watching(network, layers, lambda *_: None):
            plain(network, call)
    assert planning.unread(network) is None
    assert "which of its tokens are words" in planning.unread(torch.nn.Linear(2, 2))
