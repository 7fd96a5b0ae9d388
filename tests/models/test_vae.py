"""A VAE that overflows in half precision: the picture is made in float32, and it is said."""

import copy
import warnings

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from PIL import Image

import sdlab
from sdlab.latents.image import encode
from sdlab.latents.round_trip import round_trip
from sdlab.models.model import Model
from sdlab.models.tiny import tiny_preview
from tests.conftest import make_pipeline

pytestmark = pytest.mark.slow

# A random VAE's values on the way are about 1; float16 ends at 65,504.
TOO_MUCH = 1e5
NOTE = "The VAE overflows in float16; this picture went through it in float32 instead."


@pytest.fixture(scope="module")
def half():
    """A pipeline in float16 whose VAE does not overflow, as a random one does not."""
    return make_pipeline().to(torch.float16)


@pytest.fixture(scope="module")
def broken(half):
    """The same, whose VAE overflows both ways: what enters its first norm is 1e5 times as large.

    The norm takes the factor out again, so that in float32 the pictures are the same.
    """
    components = {**half.components, "vae": copy.deepcopy(half.vae)}
    for network in (components["vae"].encoder, components["vae"].decoder):
        network.conv_in.register_forward_hook(lambda _module, _args, out: out * TOO_MUCH)
    return type(half)(**components, requires_safety_checker=False)


@pytest.fixture
def model(broken):
    return Model(broken, "broken")


def latents(seed=0):
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(seed)).half()


def picture():
    x = np.linspace(0, 255, 64)
    rgb = np.stack([np.tile(x, (64, 1)), np.tile(x[:, None], (1, 64)), np.full((64, 64), 90)], -1)
    return Image.fromarray(rgb.astype(np.uint8))


def test_the_pipeline_itself_makes_black_of_it(broken):
    """What the rest is about; if diffusers decodes such latents one day, this says so."""
    with torch.no_grad():
        assert broken.vae.decode(latents()).sample.isnan().any()


@pytest.mark.parametrize("tiled", [False, True])
def test_a_picture_is_decoded_in_float32(model, broken, tiled):
    with pytest.warns(UserWarning, match="overflows in float16"):
        image = model.decode(latents(), tiled=tiled)
    exact = copy.deepcopy(broken.vae).float()
    with torch.no_grad():
        decode = exact.tiled_decode if tiled else exact.decode
        pixels = decode(latents().float() / exact.config.scaling_factor).sample
    expected = ((pixels[0] / 2 + 0.5).clamp(0, 1) * 255).round().byte().movedim(0, -1).numpy()
    assert np.array_equal(np.asarray(image), expected)
    assert expected.std() > 0
    assert broken.vae.dtype == torch.float16 and model.vae.overflowed


def test_what_does_not_overflow_is_the_pipelines_own_to_the_bit(half):
    model = Model(half, "half")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = model.decode(latents())
    with torch.no_grad():
        pixels = half.vae.decode(latents() / half.vae.config.scaling_factor, return_dict=False)[0]
    (own,) = half.image_processor.postprocess(pixels, output_type="pil", do_denormalize=[True])
    assert image.tobytes() == own.tobytes()
    assert not model.vae.overflowed


def test_a_run_says_it_and_has_a_picture(model):
    run = sdlab.run(model, sdlab.Experiment(num_steps=2, model="broken", seed=3))
    assert run.latents.isfinite().all()
    assert run.manifest["warnings"] == [NOTE]
    assert np.asarray(run.image).std() > 0


def test_latents_that_are_not_finite_are_not_decoded_twice(model):
    image, notes = model.decode_with_notes(torch.full((1, 4, 16, 16), torch.nan))
    assert notes == [] and not model.vae.overflowed
    assert np.asarray(image).max() == 0


def test_a_picture_is_encoded_in_float32(model, broken):
    exact = Model(copy.deepcopy(broken).to(torch.float32), "exact")
    for options in ({}, {"sample": True, "seed": 4}):
        with pytest.warns(UserWarning, match="overflows in float16"):
            found = encode(model, picture(), **options)
        assert torch.equal(found, encode(exact, picture(), **options))


def test_a_round_trip_says_it(model):
    """Its PSNR was of black."""
    trip = round_trip(model, picture())
    assert trip.notes == (NOTE,)
    assert np.asarray(trip.decoded).std() > 0


def test_a_quick_preview_is_fitted_to_what_is_decoded(model, broken):
    """It was fitted to NaN, which numpy refuses."""
    exact = Model(copy.deepcopy(broken).to(torch.float32), "exact")
    np.testing.assert_allclose(model.preview.weight, exact.preview.weight, rtol=1e-3, atol=1e-3)


def test_a_tiny_autoencoder_that_overflows_still_makes_previews(half, tmp_path):
    small, once = (8, 8, 8, 8), (1, 1, 1, 1)
    AutoencoderTiny(
        encoder_block_out_channels=small,
        decoder_block_out_channels=small,
        num_encoder_blocks=once,
        num_decoder_blocks=once,
    ).save_pretrained(tmp_path / "taesd")
    tiny = tiny_preview(Model(half, str(tmp_path)))
    fine = np.asarray(tiny(latents()))
    first = next(m for m in tiny._vae.own.decoder.modules() if isinstance(m, torch.nn.Conv2d))
    first.register_forward_hook(lambda _module, _args, out: out * TOO_MUCH / TOO_MUCH)
    assert tiny._vae.decode(latents())[1]
    assert np.abs(np.asarray(tiny(latents()), int) - fine).max() <= 1


def test_a_traced_pipeline_keeps_its_black_and_says_it(broken):
    def call():
        seed = torch.Generator().manual_seed(0)
        return broken("a cat", num_inference_steps=1, generator=seed, output_type="pt").images

    with pytest.warns(UserWarning, match="pipeline's VAE overflows in float16"):
        with sdlab.trace(broken) as found:
            seen = call()
    assert len(found.warnings) == 1
    assert seen.isnan().any()
    assert torch.equal(seen.nan_to_num(), call().nan_to_num())
    assert len(broken.vae.decoder._forward_hooks) == 0


def test_a_traced_pipeline_without_overflow_says_nothing(half):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with sdlab.trace(half) as found:
            half("a cat", num_inference_steps=1)
    assert found.warnings == []
