"""T5's vectors and attention are what its pipeline's call makes of a prompt."""

import numpy as np
import pytest
import torch

import sdlab
from sdlab.text.encoder import compare, encode, norms
from sdlab.text.parts import positions_of, text_parts
from sdlab.text.self_attention import heads_table, mask_table, masks, mass_table
from sdlab.text.similar import cosine_table, nearest
from tests.text import pipelines

PROMPT = "a red parrot on a beach"


def test_the_contextual_embedding_is_stable_diffusion_3s_own_bit_for_bit():
    pipe = pipelines.sd3()
    expected = pipe.encode_prompt(PROMPT, None, None, do_classifier_free_guidance=False)[0][0]
    last = encode(pipe, PROMPT, "text_encoder_3", attention=True)
    assert np.array_equal(last.contextual, expected[77:].numpy())
    for name, first, width in (("text_encoder", 0, 32), ("text_encoder_2", 32, 16)):
        clip = encode(pipe, PROMPT, name)
        assert np.array_equal(clip.contextual, expected[:77, first : first + width].numpy())
        assert clip.causal and not clip.pooled
    assert len(last.ids) == 256 and not last.masks_pads and not last.causal


@pytest.mark.parametrize(("name", "part"), [("flux", "text_encoder_2"), ("pixart", "text_encoder")])
def test_the_mask_is_the_pipelines_own(name, part):
    pipe = getattr(pipelines, name)()
    encoding = encode(pipe, "A red parrot", part, attention=True)
    more = {"prompt_2": None} if name == "flux" else {"do_classifier_free_guidance": False}
    expected = pipe.encode_prompt("A red parrot", **more)[0][0]
    assert np.array_equal(encoding.contextual, expected.numpy())
    assert encoding.masks_pads == (name == "pixart")
    assert encoding.tokens["word"][0] == "A" and encoding.kinds[encoding.end] == "end"
    seen = encoding.attention[:, :, : encoding.end, encoding.end + 1 :].sum()
    assert (seen == 0) == encoding.masks_pads
    assert encode(pipelines.flux(), PROMPT, "text_encoder").pooled


@pytest.mark.parametrize("make", [pipelines.t5, pipelines.umt5])
@pytest.mark.parametrize("name", ["flux", "pixart"])
def test_attention_is_that_of_the_encoder_itself(make, name, monkeypatch):
    pipe = getattr(pipelines, name)()
    part = list(text_parts(pipe))[-1]
    encoder = make()
    monkeypatch.setattr(pipe, part, encoder)
    encoding = encode(pipe, PROMPT, part, attention=True)
    encoder.set_attn_implementation("eager")
    mask = torch.from_numpy(encoding.mask)[None] if encoding.masks_pads else None
    with torch.no_grad():
        out = encoder(torch.from_numpy(encoding.ids)[None], mask, output_attentions=True)
    expected = torch.stack([one[0] for one in out.attentions]).numpy()
    np.testing.assert_allclose(encoding.attention, expected, atol=1e-6)
    np.testing.assert_allclose(encoding.attention.sum(-1), 1, atol=1e-6)
    assert not encoder._forward_hooks


def test_the_mean_of_the_heads_can_be_kept_alone():
    every = encode(pipelines.flux(), PROMPT, "text_encoder_2", attention=True)
    mean = encode(pipelines.flux(), PROMPT, "text_encoder_2", attention="mean")
    assert mean.attention.shape == (3, 1, 512, 512)
    np.testing.assert_allclose(mean.attention[:, 0], every.attention.mean(axis=1), atol=1e-7)


def test_order_enters_in_the_attention_not_before():
    encoding = encode(pipelines.flux(), PROMPT, "text_encoder_2")
    rows = pipelines.flux().text_encoder_2.shared.weight.detach().numpy()
    assert np.array_equal(encoding.token, rows[encoding.ids])
    assert np.array_equal(encoding.entering, encoding.token)
    table = norms(encoding)
    assert table["token"][0] == table["token"][4]  # both are "a"
    assert np.abs(encoding.contextual[0] - encoding.contextual[4]).max() > 1e-3


def test_every_position_depends_on_the_whole_prompt():
    first = encode(pipelines.flux(), PROMPT, "text_encoder_2")
    other = encode(pipelines.flux(), "a red parrot on a bench", "text_encoder_2")
    table = compare(first, other)
    assert not table["same_so_far"].any() and (table["distance"][:40] > 1e-5).all()
    assert compare(first, first)["same_so_far"].all()


def test_its_tables():
    encoding = encode(pipelines.pixart(), PROMPT, attention=True)
    assert masks(encoding)["causal"].all() and masks(encoding)["allowed"].sum() == 120 * 7
    states = mask_table(encoding)
    assert set(states["state"]) == {"seen", "pad, hidden"} and len(states) == 240
    mass = mass_table(encoding)
    assert set(mass["key_kind"]) == {"word", "end", "pad"}
    total = mass.groupby(["layer", "head", "query_kind"])["mass"].sum()
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert heads_table(encoding)["entropy"].between(0, np.log(7)).all()
    assert len(cosine_table(encoding, last=5)) == 36
    found = nearest(pipelines.pixart(), encoding, 1, "token", 3)
    assert found["text"][0] == "red" and found["piece"][0] == "▁red"


def test_layers_are_not_left_out_of_t5():
    with pytest.raises(ValueError, match="clip_skip must be from 0 to 0"):
        encode(pipelines.flux(), PROMPT, "text_encoder_2", clip_skip=1)


def test_lengths_are_the_pipelines():
    pipe = pipelines.sd3()
    parts = ("text_encoder", "text_encoder_2", "text_encoder_3")
    assert [positions_of(pipe, part) for part in parts] == [77, 77, 256]
    assert positions_of(pipe, "text_encoder_3", asked=64) == 64
    assert positions_of(pipelines.qwen()) is None
    assert positions_of(pipelines.tokenizers.t5()) == 512
    table = sdlab.tokens(pipelines.qwen(), "a cat")
    assert table["word"].tolist() == ["a", "cat"]


def test_another_encoder_is_refused_in_words():
    with pytest.raises(sdlab.ModelError, match="its tokens are known, its vectors are not read"):
        encode(pipelines.qwen(), PROMPT)
