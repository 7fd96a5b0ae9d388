"""Embeddings are the pipelines' own bit for bit, of every family and clip skip."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sdlab.errors import ModelError
from sdlab.text.encoder import compare, encode, norms
from sdlab.text.parts import text_parts
from sdlab.text.similar import nearest
from tests.conftest import make_pipeline

PROMPT = "a red parrot on a beach"


@pytest.mark.parametrize("name", ["sd1", "sd2", "masked"])
@pytest.mark.parametrize("prompt", ["", PROMPT, "parrot " * 90])
def test_the_contextual_embedding_is_the_pipelines_own_bit_for_bit(request, name, prompt):
    pipeline = request.getfixturevalue(name)
    expected, _ = pipeline.encode_prompt(prompt, "cpu", 1, False)
    for attention in (False, True):
        encoding = encode(pipeline, prompt, attention=attention)
        assert np.array_equal(encoding.contextual, expected[0].numpy())


def test_the_embedded_model_too(embedded):
    expected, _ = embedded.encode_prompt(PROMPT)
    assert np.array_equal(encode(embedded, PROMPT).contextual, expected[0].numpy())


def test_sdxl_joins_two_encoders_before_their_last_layer(sdxl):
    expected = sdxl.encode_prompt(PROMPT, device="cpu", do_classifier_free_guidance=False)[0][0]
    parts = [encode(sdxl, PROMPT, name, attention=True) for name in text_parts(sdxl)]
    joined = np.concatenate([part.contextual for part in parts], axis=1)
    assert np.array_equal(joined, expected.numpy())
    assert [part.part for part in parts] == ["text_encoder", "text_encoder_2"]
    assert [len(part.attention) for part in parts] == [2, 2]
    assert not np.array_equal(parts[0].ids, parts[1].ids)


@pytest.mark.parametrize("skip", [0, 1, 2])
def test_clip_skip_takes_an_earlier_layer_through_the_final_norm(sd2, skip):
    encoder = sd2.text_encoder
    ids = torch.from_numpy(encode(sd2, PROMPT).ids)[None]
    with torch.no_grad():
        hidden = encoder(ids, output_hidden_states=True).hidden_states[-(skip + 1)]
        expected = encoder.final_layer_norm(hidden)[0].numpy()
    assert np.array_equal(encode(sd2, PROMPT, clip_skip=skip).contextual, expected)


def test_clip_skip_of_sdxl_counts_from_the_layer_before_the_last(sdxl):
    expected = sdxl.encode_prompt(
        PROMPT, device="cpu", do_classifier_free_guidance=False, clip_skip=1
    )[0][0]
    parts = [encode(sdxl, PROMPT, name, clip_skip=1) for name in text_parts(sdxl)]
    joined = np.concatenate([part.contextual for part in parts], axis=1)
    assert np.array_equal(joined, expected.numpy())


@pytest.mark.parametrize("skip", [-1, 3, 1.5])
def test_a_clip_skip_that_leaves_no_layer_is_refused(sd2, skip):
    with pytest.raises(ValueError, match="clip_skip must be from 0 to 2"):
        encode(sd2, PROMPT, clip_skip=skip)


def test_embeddings_before_the_encoder(sd1):
    encoding, embeddings = encode(sd1, PROMPT), sd1.text_encoder.embeddings
    table = embeddings.token_embedding.weight.detach().numpy()
    assert np.array_equal(encoding.token, table[encoding.ids])
    order = embeddings.position_embedding.weight.detach().numpy()
    assert np.array_equal(encoding.entering, encoding.token + order)


def test_norms(sd1):
    encoding = encode(sd1, PROMPT)
    table = norms(encoding)
    assert len(table) == 77 and table["label"].tolist()[:3] == ["0 start", "1 a", "2 red"]
    for name in ("token", "entering", "contextual"):
        expected = np.sqrt((getattr(encoding, name).astype(float) ** 2).sum(axis=1))
        np.testing.assert_allclose(table[name], expected, rtol=1e-6)
    assert table["token"][1] == table["token"][5] and table["contextual"][1] != pytest.approx(
        table["contextual"][5]
    )


@pytest.mark.parametrize("name", ["sd1", "sd2", "masked"])
def test_causality_keeps_what_comes_before_the_first_difference(request, name):
    pipeline = request.getfixturevalue(name)
    table = compare(encode(pipeline, PROMPT), encode(pipeline, "a red parrot in the snow"))
    assert table["same_so_far"].tolist() == [True] * 4 + [False] * 73
    assert (table.loc[table["same_so_far"], "distance"] < 1e-5).all()
    assert (table.loc[~table["same_so_far"], "distance"] > 1e-3).all()
    assert table["same_token"].sum() > 4
    assert table["other_label"].tolist()[4:6] == ["4 in", "5 the"]


def test_only_the_start_is_as_in_the_empty_prompt(sd1):
    table = compare(encode(sd1, PROMPT), encode(sd1, ""))
    assert table["same_so_far"].tolist() == [True] + [False] * 76
    assert table["distance"][0] < 1e-6 and table["cosine"][0] == pytest.approx(1, abs=1e-6)
    reference = encode(sd1, "").contextual
    np.testing.assert_allclose(
        table["relative"], table["distance"] / np.linalg.norm(reference, axis=1), rtol=1e-5
    )


def test_a_hidden_end_token_is_not_taken_for_a_pad(sd1, masked):
    """A typed end token has the pads' id; it differs from a pad only where pads are hidden."""
    typed, plain = "a cat <|endoftext|> <|endoftext|>", "a cat"
    assert compare(encode(sd1, typed), encode(sd1, plain))["same_so_far"].all()
    assert not compare(encode(masked, typed), encode(masked, plain))["same_so_far"].all()


def test_two_encoders_are_not_compared(sdxl):
    first, second = (encode(sdxl, PROMPT, name) for name in text_parts(sdxl))
    with pytest.raises(ValueError, match="must be encoded by one text encoder"):
        compare(first, second)


def test_an_encoder_that_is_not_clips_is_refused(sd1):
    class Other:
        tokenizer = sd1.tokenizer
        text_encoder = torch.nn.Linear(1, 1)

    with pytest.raises(ModelError, match="is a Linear, not one of CLIP's or T5's"):
        encode(Other(), PROMPT)
    Other.text_encoder = None
    with pytest.raises(ModelError, match="has no text encoder"):
        encode(Other(), PROMPT)


def test_an_encoder_that_fails_keeps_no_hook(sd1, monkeypatch):
    encoder = sd1.text_encoder

    def broken(*args, **kwargs):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(encoder.encoder.layers[1].mlp, "forward", broken)
    with pytest.raises(RuntimeError, match="out of luck"):
        encode(sd1, PROMPT, attention=True)
    assert not [m for m in encoder.modules() if m._forward_hooks]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_encoders_own_and_attention_is_float32(sd1, dtype):
    half = copy.deepcopy(sd1.text_encoder).to(dtype)
    pipeline = SimpleNamespace(text_encoder=half, tokenizer=sd1.tokenizer)
    encoding, full = encode(pipeline, PROMPT, attention=True), encode(sd1, PROMPT, attention=True)
    expected = half(torch.from_numpy(encoding.ids)[None]).last_hidden_state[0]
    assert np.array_equal(encoding.contextual, expected.float().numpy())
    np.testing.assert_allclose(encoding.attention.sum(-1), 1, atol=1e-6)
    np.testing.assert_allclose(encoding.attention, full.attention, atol=0.02)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="runs wherever there is a CUDA device")
def test_on_cuda():
    pipeline = make_pipeline().to("cuda", torch.float16)
    encoding = encode(pipeline, PROMPT, attention=True)
    expected, _ = pipeline.encode_prompt(PROMPT, "cuda", 1, False)
    assert np.array_equal(encoding.contextual, expected[0].float().cpu().numpy())
    np.testing.assert_allclose(encoding.attention.sum(-1), 1, atol=1e-6)
    assert nearest(pipeline, encoding, 3, "token")["id"][0] == encoding.ids[3]
