"""The text encoder's attention maps are those of plain attention, and reading changes nothing."""

import copy

import numpy as np
import pytest
import torch
from transformers import CLIPTextModel

from sdlab.text.encoder import encode
from sdlab.text.parts import text_part
from sdlab.text.self_attention import (
    attention_map,
    attention_table,
    heads_table,
    mask_table,
    masks,
    mass_table,
    recorded,
)

PROMPT = "a red parrot, on a xylophonist"


def eager(encoder, encoding):
    """transformers' own probabilities, by its plain attention, in float32."""
    twin = CLIPTextModel(copy.deepcopy(encoder.config)).eval()
    twin.load_state_dict(encoder.state_dict())
    twin.set_attn_implementation("eager")
    mask = torch.from_numpy(encoding.mask)[None] if encoding.masks_pads else None
    with torch.no_grad():
        out = twin(torch.from_numpy(encoding.ids)[None], mask, output_attentions=True)
    return torch.cat(out.attentions).numpy()


@pytest.mark.parametrize("name", ["sd1", "sd2", "masked", "embedded"])
@pytest.mark.parametrize("prompt", ["", PROMPT, "parrot " * 90])
def test_maps_are_those_of_plain_attention(request, name, prompt):
    source = request.getfixturevalue(name)
    encoder = text_part(source).encoder
    encoding = encode(source, prompt, attention=True)
    expected = eager(encoder, encoding)
    assert encoding.attention.shape == expected.shape
    assert encoding.attention.dtype == np.float32
    np.testing.assert_allclose(encoding.attention, expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(encoding.attention.sum(-1), 1, atol=1e-6)


def hooks(encoder):
    return sum(len(module._forward_hooks) for module in encoder.modules())


def test_recording_changes_nothing_and_leaves_nothing(sd1):
    encoder = sd1.text_encoder
    ids = torch.from_numpy(encode(sd1, PROMPT).ids)[None]
    with torch.no_grad():
        plain = encoder(ids)
        with recorded(encoder) as maps:
            watched = encoder(ids)
    assert torch.equal(plain.last_hidden_state, watched.last_hidden_state)
    assert torch.equal(plain.pooler_output, watched.pooler_output)
    assert len(maps) == encoder.config.num_hidden_layers
    assert hooks(encoder) == 0


def test_the_hooks_go_also_after_an_exception(sd1):
    encoder = sd1.text_encoder
    with pytest.raises(RuntimeError, match="stop"), recorded(encoder):
        assert hooks(encoder) > 0
        raise RuntimeError("stop")
    assert hooks(encoder) == 0
    with pytest.raises(ValueError):
        encode(sd1, PROMPT, clip_skip=99, attention=True)
    assert hooks(encoder) == 0


def test_masks(sd1, masked):
    plain, hidden = encode(sd1, "a cat"), encode(masked, "a cat")
    for encoding in (plain, hidden):
        found = masks(encoding)
        assert found["causal"].sum() == 77 * 78 // 2 and not found["causal"][0, 1]
        assert found["padding"].sum() == 4 * 77 and found["padding"][0, 3]
    assert not plain.masks_pads and hidden.masks_pads
    assert np.array_equal(masks(plain)["allowed"], masks(plain)["causal"])
    assert masks(hidden)["allowed"].sum() == 1 + 2 + 3 + 4 * 74


def test_the_runs_of_the_masks_are_the_masks(sd1, masked):
    for pipeline in (sd1, masked):
        for prompt in ("", "a cat", "parrot " * 90):
            encoding = encode(pipeline, prompt)
            drawn = np.zeros((77, 77), int)
            for query, first, last, state in mask_table(encoding).itertuples(index=False):
                assert (drawn[query, first:last] == 0).all()
                drawn[query, first:last] = 2 if state.endswith("hidden") else 1
            assert np.array_equal(drawn == 1, masks(encoding)["allowed"])


def test_pads_take_part_unless_they_are_hidden(sd1, masked):
    def on_pads(pipeline):
        table = mass_table(encode(pipeline, "a cat", attention=True))
        return table.query("query_kind == 'pad' and key_kind == 'pad'")["mass"]

    assert (on_pads(sd1) > 0.5).all() and (on_pads(masked) == 0).all()


def test_a_map_by_layer_and_head(sd1):
    encoding = encode(sd1, PROMPT, attention=True)
    every = encoding.attention
    assert np.array_equal(attention_map(encoding, 1, 3), every[1, 3])
    assert np.array_equal(attention_map(encoding, -1), every[-1].mean(axis=0))


@pytest.mark.parametrize(
    ("layer", "head", "message"),
    [
        (2, "mean", "layer must be from 0 to 1, got 2"),
        (0, 4, "head must be 'mean' or from 0 to 3, got 4"),
        (0, "max", "head must be 'mean'"),
    ],
)
def test_no_such_layer_or_head(sd1, layer, head, message):
    with pytest.raises(ValueError, match=message):
        attention_map(encode(sd1, PROMPT, attention=True), layer, head)


def test_without_recording_there_is_no_map(sd1):
    with pytest.raises(ValueError, match="attention=True"):
        heads_table(encode(sd1, PROMPT))


def test_the_table_of_a_map_lists_what_is_allowed(sd1):
    encoding = encode(sd1, "a cat", attention=True)
    table = attention_table(encoding, 0, 2, last=3)
    assert len(table) == 1 + 2 + 3 + 4
    assert table.query("query == 2 and key == 1")["weight"].item() == pytest.approx(
        encoding.attention[0, 2, 2, 1]
    )
    assert table["key_label"].unique().tolist() == ["0 start", "1 a", "2 cat", "3 end"]
    assert len(attention_table(encoding, 0)) == 77 * 78 // 2


def test_mass_sums_to_one_over_the_keys(sd1):
    encoding = encode(sd1, PROMPT, attention=True)
    table = mass_table(encoding)
    assert len(table) == 2 * 4 * 4 * 4
    sums = table.groupby(["layer", "head", "query_kind"])["mass"].sum()
    np.testing.assert_allclose(sums, 1, atol=1e-5)
    words = np.flatnonzero(encoding.kinds == "word")
    expected = encoding.attention[1, 2][np.ix_(words, words)].sum() / len(words)
    found = table.query("layer == 1 and head == 2 and query_kind == key_kind == 'word'")
    assert found["mass"].item() == pytest.approx(expected, rel=1e-5)


def test_mass_of_a_prompt_without_pads(sd1):
    assert "pad" not in set(mass_table(encode(sd1, "parrot " * 90, attention=True))["key_kind"])


def test_heads(sd1):
    encoding = encode(sd1, "a cat", attention=True)
    table = heads_table(encoding).set_index(["layer", "head"])
    maps = encoding.attention[1, 0]
    assert table.loc[(1, 0), "start"] == pytest.approx(maps[1:4, 0].mean(), rel=1e-5)
    assert table.loc[(1, 0), "self"] == pytest.approx(maps[[1, 2, 3], [1, 2, 3]].mean(), rel=1e-5)
    assert table.loc[(1, 0), "previous"] == pytest.approx(
        maps[[1, 2, 3], [0, 1, 2]].mean(), rel=1e-5
    )
    rows = maps[1:4]
    entropy = -np.where(rows > 0, rows * np.log(np.where(rows > 0, rows, 1)), 0).sum(1).mean()
    assert table.loc[(1, 0), "entropy"] == pytest.approx(entropy, rel=1e-5)
