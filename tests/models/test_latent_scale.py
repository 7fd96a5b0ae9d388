"""Latents of every kind of VAE: decoded as their pipeline decodes them, encoded the other way."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import sdlab
from sdlab.errors import ModelError
from sdlab.latents.files import latents_bytes, read_latents
from sdlab.latents.image import encode
from sdlab.latents.maps import channel_maps
from sdlab.latents.round_trip import round_trip
from sdlab.models.latent_scale import LatentScale, patches, unpatched
from sdlab.models.model import Model
from sdlab.models.vae import Vae
from tests.zoo import pipelines
from tests.zoo.autoencoders import CONFIGS, autoencoder

pytestmark = pytest.mark.slow

# A pipeline for each kind of scale.
CLASSES = (
    "StableDiffusion3Pipeline",
    "FluxPipeline",
    "Flux2Pipeline",
    "ErnieImagePipeline",
    "QwenImagePipeline",
    "QwenImage21Pipeline",
    "WanPipeline",
    "SanaPipeline",
    "PixArtSigmaPipeline",
    "HunyuanImagePipeline",
    "ZImagePipeline",
)


def built(name):
    """A tiny pipeline and its call; a shift is kept only where the pipeline's own code minds it."""
    pipe, words = pipelines.build(name)
    vae = getattr(pipe, "vae", None)
    minds = "shift_factor" in inspect.getsource(type(pipe).__call__)
    if vae is not None and vae.config.get("shift_factor") and not minds:
        vae.register_to_config(shift_factor=None)
    return pipe, {**words, "output_type": "np"}


@pytest.mark.parametrize("name", CLASSES)
def test_final_latents_are_decoded_as_the_pipeline_does(name):
    pipe, words = built(name)
    with sdlab.trace(pipe) as traced:
        made = pipe(**words)
    own = np.asarray(made.images if hasattr(made, "images") else made.frames)
    own = (own.reshape(-1, *own.shape[-3:])[0] * 255).round().astype(np.uint8)
    model = Model(pipe, name)
    image = model.decode(traced.latents[:1])
    assert np.array_equal(np.asarray(image), own)
    channels, height, width = traced.latents.shape[1:]
    assert channels == model.latent_channels
    if name != "QwenImage21Pipeline":  # its tiny VAE makes less larger than it says
        assert image.size == (width * model.vae_factor, height * model.vae_factor)


@pytest.mark.parametrize(
    "name",
    [
        "Flux2Pipeline",
        "SanaPipeline",
        pytest.param("WanPipeline", marks=pytest.mark.every),
        pytest.param("FluxPipeline", marks=pytest.mark.every),
    ],
)
def test_the_latents_page_works_with_it(name):
    """Round trip, file, maps and a preview that is fitted to the model's own decoder."""
    model = Model(built(name)[0], name)
    side = 4 * model.vae_factor
    trip = round_trip(model, Image.new("RGB", (side, side), "teal"))
    assert trip.latents.shape == (1, model.latent_channels, 4, 4)
    assert trip.decoded.size == (side, side)
    found = read_latents(latents_bytes(model, trip.latents), model)
    assert torch.equal(found.latents, trip.latents)
    assert (found.scaling_factor is None) == (name in ("Flux2Pipeline", "WanPipeline"))
    assert len(channel_maps(trip.latents)) == model.latent_channels
    assert model.preview.weight.shape == (model.latent_channels + 1, 3)
    assert model.preview(trip.latents).size == (side, side)
    assert model.preview(trip.latents, 1).size == (4, 4)


def scales():
    for kind in sorted(CONFIGS):
        own = autoencoder(kind)
        if kind == "AutoencoderKLFlux2":
            own.bn.running_mean.normal_()
            own.bn.running_var.uniform_(0.5, 2)
            yield kind, own, True
        yield kind, own, False


@pytest.mark.parametrize("kind, own, patched", [*scales()])
def test_scaling_goes_both_ways(kind, own, patched):
    scale = LatentScale(own, patched=patched)
    channels = own.config.get("latent_channels") or own.config.get("z_dim")
    shape = (2, channels, 1, 4, 6) if scale.film else (2, channels, 4, 6)
    z = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(scale.to_vae(scale.from_vae(z)), z)
    assert scale.from_vae(z).shape[1] == (4 * channels if patched else channels)


def test_patches_are_diffusers_own():
    from diffusers import Flux2Pipeline

    x = torch.randn(1, 3, 4, 8)
    assert torch.equal(patches(x), Flux2Pipeline._patchify_latents(x))
    assert torch.equal(unpatched(patches(x)), x)


def test_a_vae_that_says_nothing_is_told():
    mute = SimpleNamespace(config={}, modules=lambda: [])
    with pytest.raises(ModelError, match="SimpleNamespace does not say how its latents are scaled"):
        LatentScale(mute)


def test_a_pipeline_that_draws_pixels_needs_no_vae():
    pixels = torch.randn(1, 3, 8, 8)
    vae = Vae(None)
    assert vae.decode(pixels) == (pixels, False) and vae.encode(pixels) == (pixels, False)
    assert vae.scaled(pixels) is pixels and vae.factor is None


def test_a_posterior_is_drawn_from_by_seed():
    model = Model(built("QwenImagePipeline")[0], "qwen")
    picture = Image.new("RGB", (32, 32), "teal")
    first, same = (encode(model, picture, sample=True, seed=3) for _ in range(2))
    assert torch.equal(first, same)
    assert not torch.equal(first, encode(model, picture, sample=True, seed=4))
