"""A model whose VAE has 16 channels, a shift and another scaling: everything here follows it."""

import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

import sdlab
from sdlab.ddim.eta import fan
from sdlab.ddim.settings import DdimSettings
from sdlab.ddim.study import there_and_back
from sdlab.latents import edit, statistics
from sdlab.latents.files import latents_bytes, read_latents
from sdlab.latents.film import quantity
from sdlab.latents.image import encode
from sdlab.latents.maps import channel_maps
from sdlab.latents.round_trip import round_trip
from sdlab.models.model import Model
from sdlab.work import finish
from tests.conftest import make_pipeline

SCALING, SHIFT = 0.3611, 0.1159  # those of Stable Diffusion 3


@pytest.fixture(scope="module")
def model():
    pipeline = make_pipeline(unet={"in_channels": 16, "out_channels": 16})
    torch.manual_seed(1)
    pipeline.vae = AutoencoderKL(
        block_out_channels=(4, 8, 8, 8),
        norm_num_groups=2,
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=16,
        sample_size=128,
        scaling_factor=SCALING,
        shift_factor=SHIFT,
    ).eval()
    return Model(pipeline, "sixteen")


@pytest.fixture(scope="module")
def run(model):
    experiment = sdlab.Experiment(prompt="a cat", num_steps=3, seed=2, model="sixteen")
    return sdlab.run(model, experiment)


def test_a_run_is_followed_channel_by_channel(model, run):
    assert run.latents.shape == (1, 16, 16, 16)
    assert quantity(run.trace, "eps_pred", 1).shape == (1, 16, 16, 16)
    assert run.channels["channel"].nunique() == 16
    assert model.decode(run.latents).size == run.image.size == (128, 128)


def test_the_scaling_and_the_shift_are_the_configs(model):
    """Latents of which the VAE sees zeros are -shift * scaling."""
    seen = []
    handle = model.pipeline.vae.post_quant_conv.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].clone())
    )
    try:
        for tiled in (False, True):
            model.decode(torch.full((1, 16, 4, 4), -SHIFT * SCALING), tiled=tiled)
    finally:
        handle.remove()
    assert len(seen) == 2 and all(x.abs().max() < 1e-6 for x in seen)


def test_statistics_maps_and_edits(run):
    assert len(statistics.moments(run.latents)) == 17
    assert len(statistics.correlations(run.latents)) == 256
    assert statistics.shell(run.latents)["dimensions"].item() == 16 * 16 * 16
    assert len(channel_maps(run.latents)) == 16
    swapped = edit.swap(run.latents, 0, 15)
    assert torch.equal(swapped[:, 15], run.latents[:, 0])


def test_the_preview_is_fitted_to_sixteen_channels(model, run):
    assert model.preview.weight.shape == (17, 3) and model.preview.r2 <= 1
    assert model.preview(run.latents).size == (128, 128)


def test_round_trip_file_and_inversion(model, run):
    trip = round_trip(model, Image.new("RGB", (128, 128), "teal"))
    assert trip.latents.shape == (1, 16, 16, 16)
    torch.testing.assert_close(encode(model, Image.new("RGB", (128, 128), "teal")), trip.latents)
    found = read_latents(latents_bytes(model, run.latents), model)
    assert (found.scaling_factor, found.shift_factor) == (SCALING, SHIFT)
    settings = DdimSettings("a cat", method="edict", num_steps=3)
    assert finish(there_and_back(model, found.latents, settings)).rmse < 1e-3


def test_eta(model, run):
    work = fan(lambda x, sigma: x / (1 + sigma), run.latents, (5.0, 1.0, 0.0), (0.0, 1.0), (1, 2))
    (still, same), (one, other) = finish(work).latents
    x = run.latents * 26**0.5  # sqrt(1 + 5^2), from standard normal to the first sigma
    x = x / 6 + (x - x / 6) * (1 / 5)  # DDIM's step from sigma 5 to 1, then to 0: the mean alone
    torch.testing.assert_close(still, (x / 2)[0])
    assert torch.equal(still, same) and not torch.equal(one, other)
