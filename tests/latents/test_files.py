"""Latents files: there and back, and everything hostile refused with a reason."""

import json

import pytest
import torch
from safetensors.torch import save

from sdlab.latents.files import latents_bytes, read_latents


@pytest.fixture
def latents():
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def test_a_round_trip_keeps_every_bit_and_says_whose_they_are(small, latents):
    found = read_latents(latents_bytes(small, latents, "a cat"), small)
    assert torch.equal(found.latents, latents)
    assert (found.model, found.model_hash, found.note) == ("small", small.hash, "a cat")
    assert found.scaling_factor == small.pipeline.vae.config.scaling_factor


def test_latents_without_a_batch_axis_are_taken(small, latents):
    assert torch.equal(read_latents(latents_bytes(small, latents[0]), small).latents, latents)


def header(**entries):
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "0 bytes"),
        (b"abc", "no safetensors file"),
        (b"PK\x03\x04" + b"x" * 100, "zip archive, which is not opened"),
        ((2**63).to_bytes(8, "little") + b"{}", "header does not fit"),
        (header()[:8] + b"[]", "no JSON object"),
        (b"\x0a" + bytes(7) + b"[" * 10, "no safetensors file"),
        (header(other={"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}), "has: other"),
        (header(latents=7), "no tensor named 'latents'"),
        (header(latents={"dtype": "F32", "shape": [1, 4, 99, 99], "data_offsets": [0, 9]}),
         "damaged"),
        (header(latents={"dtype": "F32", "shape": [1, 4, -1, 2], "data_offsets": [0, 9]}),
         r"\[1, C, h, w\]"),
        (save({"latents": torch.zeros(1, 4, 2, 2, dtype=torch.int64)}), "floating point.*I64"),
        (save({"latents": torch.zeros(2, 4, 2, 2)}), r"got \[2, 4, 2, 2\]"),
        (save({"latents": torch.zeros(4, 4)}), r"got \[4, 4\]"),
        (save({"latents": torch.full((1, 4, 2, 2), float("nan"))}), "16 of 16"),
        (save({"latents": torch.full((1, 4, 2, 2), float("inf"))}), "16 of 16"),
        (save({"latents": torch.full((1, 4, 2, 2), 1e300, dtype=torch.float64)}), "reach 1e\\+300"),
        (save({"latents": torch.full((1, 4, 2, 2), -2e4)}), "reach 2e\\+04; at most 10,000"),
        (save({"latents": torch.zeros(1, 4, 2, 2)}, {"scaling_factor": "0"}), "scaling_factor"),
        (save({"latents": torch.zeros(1, 4, 2, 2)}, {"shift_factor": "x"}), "shift_factor"),
        (bytes(64_000_001), "at most 64 MB"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused(data, match):
    with pytest.raises(ValueError, match=match):
        read_latents(data)


def test_another_models_latents_need_leave(small, latents):
    data = save({"latents": latents}, {"model": "other", "model_hash": "0" * 16})
    with pytest.raises(ValueError, match=r"other \(0000000000000000\), not by small"):
        read_latents(data, small)
    assert torch.equal(read_latents(data, small, any_model=True).latents, latents)


def test_another_scaling_is_brought_to_the_models_own(small, latents):
    about = {"scaling_factor": "1.0", "shift_factor": "0.5"}
    found = read_latents(save({"latents": latents}, about), small, any_model=True)
    scaling = small.pipeline.vae.config.scaling_factor
    torch.testing.assert_close(found.latents, (latents + 0.5) * scaling)


def test_a_scaling_that_makes_anything_of_them_is_refused(small, latents):
    data = save({"latents": latents}, {"scaling_factor": "1e-300"})
    with pytest.raises(ValueError, match="must be finite; 1024 of 1024"):
        read_latents(data, small, any_model=True)


def test_sixteen_channels_are_read_but_not_for_a_model_of_four(small):
    data = save({"latents": torch.zeros(1, 16, 8, 8)})
    assert read_latents(data).latents.shape[1] == 16
    with pytest.raises(ValueError, match="have 16 channels, those of small have 4"):
        read_latents(data, small, any_model=True)


@pytest.mark.parametrize("bad", [torch.zeros(1, 3, 4, 4), torch.full((1, 4, 4, 4), float("nan"))])
def test_what_no_model_could_have_made_is_not_written(small, bad):
    with pytest.raises(ValueError, match="latents must be"):
        latents_bytes(small, bad)
