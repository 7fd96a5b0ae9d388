"""The attention of transformers in traced calls: whose rows, whose words, whatever the guidance."""

import warnings

import numpy as np
import pytest
import torch

import sdlab
from tests.zoo.pipelines import build

BOTH = sdlab.AttentionRecord(halves="both", heads="all", dtype="float32")
RECORD = sdlab.Record((), attention=BOTH)
# Both halves in one call, one call for each, or no guidance.
GUIDED = (
    "AuraFlowPipeline",
    "ChromaPipeline",
    "Flux2KleinPipeline",
    "HunyuanDiTPipeline",
    "LTXPipeline",
    "Lumina2Pipeline",
    "PixArtSigmaPipeline",
    "QwenImagePipeline",
    "SanaPipeline",
    "StableDiffusion3Pipeline",
    "WanPipeline",
    "ZImagePipeline",
)
ALONE = ("FluxPipeline",)
# Templates of many small pieces stand before the prompt.
LONG = ("Lumina2Pipeline", "QwenImagePipeline")


def drawn(pipe, words):
    torch.manual_seed(0)
    given = {**words, "generator": torch.Generator().manual_seed(0)}
    return pipe(**given)[0]


def made(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe, words = build(name)
        words = {**words, "prompt": "a red car and a cat"}
        words |= {"max_sequence_length": 256} if name in LONG else {}
        return pipe, words, drawn(pipe, words)


@pytest.mark.parametrize("name", [*GUIDED, *ALONE])
def test_maps_and_words_of_a_call(name):
    pipe, words, plain = made(name)
    with sdlab.trace(pipe, RECORD) as traced:
        found = drawn(pipe, words)
    assert np.array_equal(np.asarray(found[0]), np.asarray(plain[0]))
    assert traced.warnings == []
    maps = traced.maps()
    assert len(maps) == len(traced.steps)
    assert ("uncond" in maps.halves) == (name in GUIDED)
    assert {"red", "car", "cat"} <= set(maps.words)
    heat = maps.heatmap("car")
    assert heat.shape == (maps.cross_layers[0].height, maps.cross_layers[0].width)
    assert np.isfinite(heat).all() and heat.max() > 0
    for half in maps.halves:
        for layer in maps.cross_layers:
            total = maps.maps(layer, half).sum(2)
            assert (total <= maps.text_share(layer, half) + 1e-6).all()
            assert torch.isfinite(total).all()
    assert len(traced.attention) > 0


@pytest.mark.parametrize("name", ["QwenImagePipeline", "StableDiffusion3Pipeline"])
def test_the_halves_are_not_mixed_up(name):
    pipe, words, _ = made(name)
    layer = "transformer_blocks.0.attn"
    given = {**words, "negative_prompt": "a dog", "num_inference_steps": 1}
    with sdlab.trace(pipe, RECORD) as traced:
        drawn(pipe, given)
    swapped = {**given, "prompt": given["negative_prompt"], "negative_prompt": given["prompt"]}
    with sdlab.trace(pipe, RECORD) as other:
        drawn(pipe, swapped)
    one, two = traced.maps(), other.maps()
    for half, opposite in (("cond", "uncond"), ("uncond", "cond")):
        own = one.maps(layer, half)
        torch.testing.assert_close(own, two.maps(layer, opposite), rtol=1e-4, atol=1e-6)
        assert one.tokens[half]["word"].tolist() == two.tokens[opposite]["word"].tolist()
    assert one.words != two.words


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("HiDreamImagePipeline", "whose attention is not read"),
        ("Flux2KleinKVPipeline", "computes attention by Flux2KV"),
    ],
)
def test_what_cannot_be_read_is_said(name, sentence):
    pipe, words, plain = made(name)
    with sdlab.trace(pipe, RECORD) as traced:
        found = drawn(pipe, words)
    assert np.array_equal(np.asarray(found[0]), np.asarray(plain[0]))
    assert any(sentence in warning for warning in traced.warnings)
    assert len(traced.steps) > 0
