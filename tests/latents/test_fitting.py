"""Pictures are fitted to a size, and go to latents and back."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch.testing import assert_close

from sdlab.embedded.samples import SAMPLES, drawn_picture, sample_picture
from sdlab.latents.image import ReadImage, encode, fit
from sdlab.models.model import Model
from tests.conftest import make_pipeline
from tests.latents.pictures import BLUE, RED, halves


def test_crop_takes_the_middle_and_pad_keeps_all():
    cropped = fit(halves(), 20, 20).image
    assert cropped.getpixel((2, 10)) == RED and cropped.getpixel((17, 10)) == BLUE
    padded = fit(halves(), 40, 40, "pad")
    assert padded.image.getpixel((0, 0)) == (0, 0, 0)
    assert padded.image.crop((0, 10, 40, 30)).tobytes() == halves().tobytes()
    assert padded.notes == ("Resized and padded with black from 40 x 20 to 40 x 40 px.",)


def test_what_fits_stays_as_it_is():
    given = ReadImage(halves(), "PNG", ("a note",))
    assert fit(given, 40, 20) is given


def test_fit_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match=r"Unknown way to fit 'stretch'.*crop, pad"):
        fit(halves(), 16, 16, "stretch")
    with pytest.raises(ValueError, match=r"width must be a multiple of 8, got 20; try 16 or 24"):
        fit(halves(), 20, 16, multiple=8)
    with pytest.raises(ValueError, match=r"height must be a multiple of 8, got 0; try 8"):
        fit(halves(), 16, 0, multiple=8)


def test_encode_refuses_a_size_off_the_grid(small):
    with pytest.raises(ValueError, match=r"height must be a multiple of 8, got 20; try 16 or 24"):
        encode(small, halves())


@pytest.mark.parametrize(("name", "least"), [(n, 27) for n in list(SAMPLES)[:3]])
def test_round_trip_on_the_embedded_model(embedded, name, least):
    picture = sample_picture(name)
    latents = encode(embedded, picture)
    assert latents.shape == (1, 4, 16, 16) and latents.dtype == torch.float32
    back = np.asarray(embedded.decode(latents), np.float64)
    psnr = 10 * np.log10(255**2 / np.mean((back - np.asarray(picture, np.float64)) ** 2))
    assert psnr > least


def test_a_sample_is_the_mean_and_seeded_noise_of_the_posteriors_spread(embedded):
    picture = sample_picture("a parrot on a beach")
    mean = encode(embedded, picture)
    first, again, other = (encode(embedded, picture, sample=True, seed=s) for s in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    vae = embedded.pipeline.vae
    with torch.no_grad():
        pixels = embedded.pipeline.image_processor.preprocess(picture)
        std = vae.encode(pixels).latent_dist.std * vae.config.scaling_factor
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    assert_close(first - mean, std * noise, rtol=1e-4, atol=1e-5)


class _Shifted:
    """The least that ``encode`` and ``decode`` need of a pipeline, around a 16-channel VAE."""

    def __init__(self):
        torch.manual_seed(0)
        self.vae = AutoencoderKL(
            block_out_channels=(4, 8),
            norm_num_groups=2,
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=16,
            scaling_factor=0.3611,
            shift_factor=0.1159,
        ).eval()
        self.image_processor = VaeImageProcessor(vae_scale_factor=2)
        self.vae_scale_factor = 2
        base = make_pipeline()
        self.scheduler, self.unet = base.scheduler, base.unet
        self.components = {**base.components, "vae": self.vae}


def test_sixteen_channels_and_a_shift_go_both_ways():
    pipeline = _Shifted()
    model, picture = Model(pipeline, "shifted"), halves()
    latents = encode(model, picture)
    pixels = torch.from_numpy(np.array(picture)).float().movedim(-1, 0)[None] / 127.5 - 1
    with torch.no_grad():
        raw = pipeline.vae.encode(pixels).latent_dist.mean
        decoded = pipeline.vae.decode(raw).sample
    assert latents.shape == (1, 16, 10, 20)
    assert_close(latents, (raw - 0.1159) * 0.3611, rtol=1e-4, atol=1e-5)
    expected = ((decoded[0] / 2 + 0.5).clamp(0, 1) * 255).round().byte().movedim(0, -1).numpy()
    assert np.abs(np.asarray(model.decode(latents), int) - expected).max() <= 1


def test_a_damaged_vae_is_explained(small, monkeypatch):
    weight = small.pipeline.vae.encoder.conv_in.bias
    monkeypatch.setattr(weight, "data", torch.full_like(weight, torch.inf))
    with pytest.raises(ValueError, match="not finite, in float32 too"):
        encode(small, Image.new("RGB", (32, 32)))


def test_samples_are_seeded_and_named():
    assert len({sample_picture(name).tobytes() for name in SAMPLES}) == len(SAMPLES) == 8
    picture, caption = drawn_picture(5)
    assert picture.size == (128, 128) and caption
    assert drawn_picture(5)[0].tobytes() == picture.tobytes() != drawn_picture(6)[0].tobytes()
    with pytest.raises(ValueError, match=r"Unknown sample 'a parrot'.*a parrot on a beach"):
        sample_picture("a parrot")
