"""The VAE's round trip, tiles, tiny previews, maps and films."""

import io
import math

import av
import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from PIL import Image, ImageSequence

import sdlab
from sdlab.errors import ModelError
from sdlab.latents.film import film, quantity, strip
from sdlab.latents.maps import channel_maps, heat_map
from sdlab.latents.round_trip import likeness, round_trip
from sdlab.models.model import Model
from sdlab.models.tiny import tiny_preview
from sdlab.runs.trace import Trace


def noise_picture(side=32, seed=0):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))


class TestLikeness:
    def test_equal_pictures(self):
        same = likeness(noise_picture(), noise_picture())
        assert (same.psnr, same.ssim, same.rmse) == (float("inf"), 1.0, 0.0)

    def test_against_the_definitions(self):
        a = noise_picture()
        b = Image.fromarray((np.asarray(a) // 2).astype(np.uint8))
        found = likeness(a, b)
        gap = np.asarray(a, float) - np.asarray(b, float)
        assert found.psnr == pytest.approx(10 * np.log10(255**2 / (gap**2).mean()))
        assert found.rmse == pytest.approx(np.sqrt((gap**2).mean()))
        np.testing.assert_allclose(found.error, np.abs(gap).mean(-1))

    def test_ssim_of_a_changed_mean_is_its_luminance_term(self):
        """Constant pictures: contrast and structure are 1, the luminance term is left."""
        a, b = (Image.new("RGB", (32, 32), (v, v, v)) for v in (100, 140))
        c1 = (0.01 * 255) ** 2
        expected = (2 * 100 * 140 + c1) / (100**2 + 140**2 + c1)
        assert likeness(a, b).ssim == pytest.approx(expected, abs=1e-6)

    def test_small_pictures_have_no_ssim(self):
        assert np.isnan(likeness(noise_picture(8), noise_picture(8, 1)).ssim)

    def test_sizes_must_agree(self):
        with pytest.raises(ValueError, match="32 x 32 and 16 x 16"):
            likeness(noise_picture(32), noise_picture(16))


def test_the_embedded_vae_gives_a_scene_back(embedded):
    run = sdlab.run(embedded, sdlab.Experiment(prompt="a red car on a beach", seed=3, num_steps=8))
    trip = round_trip(embedded, run.image)
    assert trip.latents.shape == run.latents.shape
    assert trip.decoded.size == run.image.size
    assert trip.likeness.psnr > 25 and trip.likeness.ssim > 0.8
    assert trip.likeness.error.shape == run.image.size[::-1]


class TestTiles:
    def test_a_picture_of_one_tile_is_the_same(self, embedded):
        latents = torch.randn(1, 4, 12, 12, generator=torch.Generator().manual_seed(0))
        whole, tiled = (np.asarray(embedded.decode(latents, tiled=t), int) for t in (False, True))
        assert np.abs(whole - tiled).max() <= 1

    def test_a_large_one_has_its_size_and_is_near(self, embedded):
        latents = embedded_latents(embedded, 320)
        whole, tiled = (embedded.decode(latents, tiled=t) for t in (False, True))
        assert tiled.size == whole.size == (320, 320)
        assert likeness(whole, tiled).psnr > 20

    def test_nothing_is_left_switched_on(self, embedded):
        before = embedded.decode(torch.zeros(1, 4, 24, 24)).tobytes()
        embedded.decode(torch.zeros(1, 4, 24, 24), tiled=True)
        assert not embedded.pipeline.vae.use_tiling
        assert embedded.decode(torch.zeros(1, 4, 24, 24)).tobytes() == before


def embedded_latents(model, side):
    from sdlab.latents.image import encode

    x = np.linspace(0, 255, side)
    rgb = np.stack(
        [np.tile(x, (side, 1)), np.tile(x[:, None], (1, side)), np.full((side,) * 2, 90)]
    )
    return encode(model, Image.fromarray(rgb.astype(np.uint8).transpose(1, 2, 0)))


class TestTiny:
    def test_a_tiny_autoencoder_in_the_folder_makes_previews(self, small, tmp_path):
        AutoencoderTiny(latent_channels=4).save_pretrained(tmp_path / "taesd")
        tiny = tiny_preview(Model(small.pipeline, str(tmp_path)))
        assert tiny is not None and tiny.folder == tmp_path / "taesd"
        picture = tiny(torch.randn(1, 4, 16, 16))
        assert picture.size == (128, 128) and picture.mode == "RGB"

    def test_there_is_none_by_default(self, embedded, small):
        assert embedded.tiny is None and small.tiny is None

    def test_one_of_other_latents_is_refused(self, small, tmp_path):
        AutoencoderTiny(latent_channels=16).save_pretrained(tmp_path / "vae_tiny")
        with pytest.raises(ModelError, match="16 latent channels"):
            tiny_preview(Model(small.pipeline, str(tmp_path)))

    def test_a_damaged_one_is_named(self, small, tmp_path):
        (tmp_path / "taesd").mkdir()
        (tmp_path / "taesd" / "config.json").write_text("{}")
        with pytest.raises(ModelError, match="taesd cannot be loaded"):
            tiny_preview(Model(small.pipeline, str(tmp_path)))


class TestMaps:
    def test_one_scale_for_all_channels(self):
        x = np.zeros((2, 4, 4))
        x[0, 0, 0], x[1, 0, 0] = 2.0, -1.0
        first, second = (np.asarray(m) for m in channel_maps(x, side=4))
        assert tuple(first[0, 0]) == (103, 0, 31)  # the largest: the darkest red
        assert tuple(first[1, 1]) == tuple(second[1, 1]) == (247, 247, 247)  # zero: white
        assert second[0, 0, 2] > second[0, 0, 0]  # half way down: blue

    def test_squares_and_sixteen_channels(self):
        maps = channel_maps(np.random.default_rng(0).normal(size=(16, 8, 12)), side=96)
        assert len(maps) == 16 and {m.size for m in maps} == {(96, 64)}

    def test_zeros_are_white_and_a_bad_limit_is_named(self):
        assert channel_maps(np.zeros((1, 2, 2)), side=2)[0].getpixel((0, 0)) == (247, 247, 247)
        with pytest.raises(ValueError, match="limit must be above 0"):
            channel_maps(np.zeros((1, 2, 2)), limit=0.0)

    def test_heat(self):
        heat = np.asarray(heat_map(np.array([[0.0, 10.0]]), 10.0, side=2))
        assert tuple(heat[0, 0]) == (0, 0, 4) and tuple(heat[0, 1]) == (252, 255, 164)


class TestFilm:
    FRAMES = [noise_picture(33, seed) for seed in range(5)]

    @pytest.mark.parametrize("kind", ["gif", "webp"])
    def test_every_frame_is_in_the_film(self, kind):
        data = film(self.FRAMES, kind)
        frames = list(ImageSequence.Iterator(Image.open(io.BytesIO(data))))
        assert len(frames) == 5 and frames[0].size == (33, 33)

    def test_mp4_plays(self):
        with av.open(io.BytesIO(film(self.FRAMES, "mp4"))) as container:
            frames = list(container.decode(video=0))
            assert container.streams.video[0].codec_context.name == "h264"
        assert len(frames) >= 5 and (frames[0].width, frames[0].height) == (34, 34)

    def test_a_strip_wraps(self):
        whole = np.asarray(strip(self.FRAMES, 3, gap=2))
        assert whole.shape == (2 * 35 - 2, 3 * 35 - 2, 4)
        for number, frame in enumerate(self.FRAMES):
            top, left = 35 * (number // 3), 35 * (number % 3)
            assert np.array_equal(whole[top : top + 33, left : left + 33, :3], np.asarray(frame))
        assert not whole[35:, 70:, 3].any()  # no sixth frame

    @pytest.mark.parametrize(
        ("call", "match"),
        [
            (lambda: film([], "gif"), "needs frames"),
            (lambda: film([noise_picture()], "avi"), "'avi'"),
            (lambda: film([noise_picture()], "gif", 0), "above 0"),
            (lambda: strip([], 3), "needs frames"),
        ],
    )
    def test_bad_arguments_are_named(self, call, match):
        with pytest.raises(ValueError, match=match):
            call()


def test_eps_follows_from_what_was_recorded(small):
    record = sdlab.Record(tensors=("x_t", "x0_pred", "output_cond"))
    experiment = sdlab.Experiment(
        prompt="x", num_steps=3, guidance_scale=1.0, model="small", record=record
    )
    trace = sdlab.run(small, experiment).trace
    for index in range(3):
        # An epsilon model without guidance says eps itself.
        told = trace.output_cond[index][None]
        torch.testing.assert_close(quantity(trace, "eps_pred", index), told, atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="from 0 to 2, got 3"):
        quantity(trace, "x_t", 3)
    with pytest.raises(ValueError, match="'noise'"):
        quantity(trace, "noise", 0)


@pytest.mark.parametrize("flow", [False, True])
def test_noise_alone_is_its_own_eps(flow):
    """At infinite sigma x_t holds nothing but the noise: VP's alpha_bar is 0, flow's t is 1."""
    noise, picture = torch.randn(2, 1, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    sigmas = [math.inf, 1e6]
    shares = [(0.0, 1.0), (1 / 1e6, 1.0)]  # of the picture and the noise, on either path
    x_t = torch.cat([a * picture + b * noise for a, b in shares])
    tensors = {"x_t": x_t, "x0_pred": picture.expand(2, -1, -1, -1)}
    trace = Trace([0, 1], sigmas, tensors)
    assert torch.equal(quantity(trace, "eps_pred", 0, flow), noise)
    torch.testing.assert_close(quantity(trace, "eps_pred", 1, flow), noise, atol=1e-5, rtol=1e-5)
