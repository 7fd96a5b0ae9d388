"""Sequences that hold more than one text and one picture, or texts of several lengths."""

import pytest
import torch

from sdlab.attention import hooks, planning
from sdlab.attention.collector import Collector
from sdlab.attention.hooks import Part, recording
from sdlab.attention.layers import find_layers
from sdlab.errors import ModelError
from sdlab.experiment.attention_record import AttentionRecord
from tests.attention.joint_reference import materialised
from tests.attention.test_joint import SIZE, WORDS, flux, noise, shaken
from tests.zoo.networks import network as tiny
from tests.zoo.texts import WIDTH

EVERYTHING = AttentionRecord(
    self_layers=("all", "text"), heads="all", tokens="all", dtype="float32"
)
LENGTHS = (5, 9, 2)


def recorded(network, call, rows):
    layers = planning.choose_layers(network, EVERYTHING, SIZE)
    collectors = [Collector(EVERYTHING, layers, {}, 1) for _ in rows]
    parts = [Part(one, {"cond": row}) for one, row in zip(collectors, rows, strict=True)]
    with torch.no_grad(), recording(network, parts):
        network(**call)
    for one in collectors:
        one.commit(0, 0, 500.0, 1.0)
    return [one.finish(SIZE, {}) for one in collectors]


def lumina(rows):
    """A call whose rows have texts of several lengths, told by a mask."""
    mask = torch.zeros(len(rows), 9, dtype=torch.int64)
    for place, row in enumerate(rows):
        mask[place, : LENGTHS[row]] = 1
    return {
        "hidden_states": noise(3, 4, *SIZE, seed=1)[rows],
        "encoder_hidden_states": 3 * noise(3, 9, WIDTH, seed=2)[rows],
        "encoder_attention_mask": mask,
        "timestep": torch.full((len(rows),), 0.5),
    }


def z_image(rows):
    """A call whose rows have texts of several lengths, each a tensor of its own."""
    pictures, words = noise(3, 4, 1, *SIZE, seed=1), 3 * noise(3, 40, WIDTH, seed=2)
    lengths = (5, 40, 33)
    return {
        "x": [pictures[row] for row in rows],
        "t": torch.full((len(rows),), 0.5),
        "cap_feats": [words[row, : lengths[row]] for row in rows],
    }


@pytest.mark.parametrize(
    ("name", "call", "given"),
    [
        ("Lumina2Transformer2DModel", lumina, (9, 9, 9)),
        ("ZImageTransformer2DModel", z_image, (5, 40, 33)),
    ],
)
def test_rows_with_texts_of_several_lengths(name, call, given):
    torch.manual_seed(0)
    network = shaken(tiny(name))
    together = recorded(network, call([0, 1, 2]), [0, 1, 2])
    for row, maps in enumerate(together):
        (alone,) = recorded(network, call([row]), [0])
        for layer in maps.facts.layers:
            own, expected = maps.maps(layer), alone.maps(layer)
            if layer.cross or layer.of_text:
                assert own.shape[2] == given[row]
            if layer.of_text and name.startswith("Lumina"):
                own, expected = own[:, :, : LENGTHS[row]], expected[:, :, : LENGTHS[row]]
            torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-5)
            assert own.std() > 1e-3


def kontext():
    """A call of Flux with the places of another picture after the picture's own."""
    network, call, _ = flux()
    ids = call["img_ids"].clone()
    ids[:, 0] = 1
    call["img_ids"] = torch.cat([call["img_ids"], ids])
    call["hidden_states"] = torch.cat([call["hidden_states"], noise(3, len(ids), 16, seed=9)], 1)
    return network, call


def test_another_picture_after_the_picture_is_left_out():
    network, call = kontext()
    (maps,) = recorded(network, call, [1])
    reference = materialised(network, ((), call))
    for layer in maps.facts.layers:
        p = reference[layer.module][0][1]
        text, cells = slice(0, WORDS), slice(WORDS, WORDS + layer.cells)
        expected = p[:, cells, text].mT if layer.cross else p[:, cells, cells]
        expected = p[:, text, cells] if layer.of_text else expected
        expected = expected.unflatten(-1, (layer.height, layer.width))
        torch.testing.assert_close(maps.maps(layer)[0].double(), expected, rtol=0, atol=1e-5)
    layer = maps.cross_layers[0]
    picture = maps.maps(f"{layer.name}.picture").sum((3, 4)).reshape(1, layer.heads, 6, 10)
    assert (maps.text_share(layer) + picture).max() < 0.99


def test_another_picture_before_the_picture_is_refused():
    network, call = kontext()
    call["img_ids"] = call["img_ids"].flip(0)
    with pytest.raises(ModelError, match="Another picture stands before this one"):
        with hooks.watching(network, find_layers(network, SIZE), lambda *_: None):
            network(**call)


def test_an_ip_adapter_of_flux_leaves_the_words_as_they_are():
    from diffusers.models.transformers.transformer_flux import FluxIPAdapterAttnProcessor

    network, call, _ = flux()
    (plain,) = recorded(network, call, [0])
    torch.manual_seed(5)
    first = network.transformer_blocks[0].attn
    first.set_processor(FluxIPAdapterAttnProcessor(32, 32))
    call["joint_attention_kwargs"] = {"ip_hidden_states": [noise(3, 4, 32)]}
    (adapted,) = recorded(network, call, [0])
    name = "transformer_blocks.0.attn"
    assert torch.equal(adapted.maps(name), plain.maps(name))
    later = "single_transformer_blocks.1.attn"
    assert not torch.equal(adapted.maps(later), plain.maps(later))


def test_a_processor_that_is_not_known_is_refused():
    from diffusers.models.attention_processor import PAGJointAttnProcessor2_0

    from tests.attention.test_joint import sd3

    network, _, _ = sd3()
    network.transformer_blocks[1].attn.set_processor(PAGJointAttnProcessor2_0())
    with pytest.raises(ModelError, match="1.attn computes attention by PAGJointAttnProcessor2_0"):
        planning.choose_layers(network, EVERYTHING, SIZE)
    assert "PAGJointAttnProcessor2_0" in planning.unread(network)


def test_another_backend_is_refused():
    network, _, _ = flux()
    network.transformer_blocks[0].attn.processor._attention_backend = "flex"
    with pytest.raises(ModelError, match=r"by 'flex'.*set_attention_backend\('native'\)"):
        planning.choose_layers(network, EVERYTHING, SIZE)


def test_a_compiled_block_is_refused():
    network, _, _ = flux()
    network.transformer_blocks[0]._compiled_call_impl = print
    with pytest.raises(ModelError, match="The transformer is compiled"):
        planning.choose_layers(network, EVERYTHING, SIZE)
