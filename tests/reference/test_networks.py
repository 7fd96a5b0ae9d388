"""Our networks give what diffusers' and transformers' give, on the same weights."""

import pytest
import torch

from sdlab.reference.text_encoder import TextEncoder
from sdlab.reference.weights import load_into
from tests.reference import parts

CLOSE = 1e-5
"""Rounding in float32 of outputs near 1, through some fifty layers."""


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


def randn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", parts.FAMILIES)
def test_text_encoder(family):
    theirs, ours = parts.text_encoder(family)
    ids = torch.randint(500, (2, 77), generator=torch.Generator().manual_seed(1))
    expected = theirs(ids).last_hidden_state
    assert expected.std() > 0.1
    assert parts.largest(ours(ids), expected) <= CLOSE


def test_text_encoder_reads_what_transformers_saved_before_version_5():
    theirs, ours = parts.text_encoder("1.5")
    old = {f"text_model.{name}": value for name, value in theirs.state_dict().items()}
    again = load_into(TextEncoder(theirs.config.to_dict()), old)
    ids = torch.arange(77)[None]
    assert torch.equal(again(ids), ours(ids))


@pytest.mark.parametrize("family", parts.FAMILIES)
@pytest.mark.parametrize("size", [(16, 16), (20, 13)], ids=["square", "odd"])
def test_unet(family, size):
    theirs, ours = parts.unet(family)
    x, t, context = randn(2, 4, *size), torch.tensor([999, 3]), randn(2, 77, 32)
    expected = theirs(x, t, context).sample
    assert expected.std() > 0.1
    assert parts.largest(ours(x, t, context), expected) <= CLOSE


def test_unet_takes_one_timestep_for_all():
    _, ours = parts.unet("1.5")
    x, context = randn(2, 4, 8, 8), randn(2, 77, 32)
    assert torch.equal(ours(x, 500, context), ours(x, torch.tensor([500, 500]), context))


def test_vae_encodes():
    theirs, ours = parts.vae()
    picture = randn(2, 3, 40, 64).clamp(-1, 1)
    expected, (mean, std) = theirs.encode(picture).latent_dist, ours.moments(picture)
    assert parts.largest(mean, expected.mean) <= CLOSE
    assert parts.largest(std, expected.std) <= CLOSE
    noise = randn(2, 4, 5, 8)
    drawn = theirs.config.scaling_factor * (expected.mean + expected.std * noise)
    assert parts.largest(ours.encode(picture, noise), drawn) <= CLOSE


def test_vae_decodes():
    theirs, ours = parts.vae()
    latents = randn(2, 4, 5, 8)
    expected = theirs.decode(latents / theirs.config.scaling_factor).sample
    assert expected.std() > 0.1
    assert parts.largest(ours.decode(latents), expected) <= CLOSE


def test_vae_reads_the_names_of_2022():
    theirs, ours = parts.vae()
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = {}
    for name, value in theirs.state_dict().items():
        for new, former in names.items():
            name = name.replace(f".{new}.", f".{former}.")
        old[name] = value
    again = load_into(type(ours)(dict(theirs.config)), old)
    assert torch.equal(again.decode(randn(1, 4, 4, 4)), ours.decode(randn(1, 4, 4, 4)))
