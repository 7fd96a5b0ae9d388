"""Pictures from outside, hostile ones generated here, and the way to latents and back."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch.testing import assert_close

from sdlab.embedded.samples import SAMPLES, drawn_picture, sample_picture
from sdlab.latents.image import MAX_BYTES, MAX_PIXELS, MAX_SIDE, Picture, encode, fit, read_image
from sdlab.models.model import Model
from tests.conftest import make_pipeline

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right, 40 x 20."""
    image = Image.new("RGB", (40, 20), RED)
    image.paste(BLUE, (20, 0, 40, 20))
    return image.convert(mode)


def png(width: int, height: int, depth: int = 8, kind: int = 2, body: bytes = b"") -> bytes:
    """A PNG by hand: what its header claims need not be true."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "JPEG", "GIF"])
def test_every_format_is_read(kind):
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    read = read_image(saved(halves(), kind, **options))
    assert read.image.mode == "RGB" and read.image.size == (40, 20)
    assert read.found == f"{kind}, 40 x 20 px"
    left, right = (np.array(read.image.getpixel((x, 10))) for x in (5, 35))
    assert abs(left - RED).max() < 8 and abs(right - BLUE).max() < 8
    assert read.notes == (("Palette colours made RGB.",) if kind == "GIF" else ())


def test_a_path_is_read(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(halves()))
    assert read_image(tmp_path / "a.png").image.size == (40, 20)
    with pytest.raises(ValueError, match=r"none.png' cannot be read: No such file"):
        read_image(str(tmp_path / "none.png"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "an SVG drawing"),
        (b"<?xml version='1.0'?>\n<svg onload='alert(1)'/>", "an SVG drawing"),
        (b"\xef\xbb\xbf <!DOCTYPE html><html><script>alert(1)</script>", "a web page"),
        (b"%PDF-1.7 ...", "a PDF document"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "'heic' family"),
        (b"just words, no picture", "is text"),
        (bytes(range(128, 255)), r"beginning 80 81 82 83\) is no picture"),
        (b"\x89PNG\r\n\x1a\n", "damaged or cut off"),
        (b"GIF89a", "damaged or cut off"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "damaged or cut off"),
        (b"\0" * (MAX_BYTES + 1), "20.0 MB; at most 20 MB"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_is_no_picture_is_named(data, message):
    with pytest.raises(ValueError, match=message):
        read_image(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_refused(kind, share):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    whole = saved(Image.fromarray(noise), kind)
    with pytest.raises(ValueError, match=r"damaged or cut off|no picture"):
        read_image(whole[: int(share * len(whole))])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_flipped_bytes_give_a_picture_or_a_value_error():
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8))
    for kind in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"):
        whole = np.frombuffer(saved(noise, kind), np.uint8)
        for _ in range(40):
            broken = whole.copy()
            places = rng.integers(0, min(len(broken), 200), 3)
            broken[places] = rng.integers(0, 255, 3)
            try:
                assert read_image(broken.tobytes()).image.mode == "RGB"
            except ValueError as error:
                assert str(error).endswith(".")


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((10_000, 10_000), r"10,000 x 10,000 = 100,000,000 pixels; at most 32,000,000"),
        ((20_000, 20_000), r"400,000,000 pixels; at most 32,000,000"),
        ((1, MAX_SIDE + 1), r"at most 20,000 a side"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_by_its_header(size, message):
    with pytest.raises(ValueError, match=message):
        read_image(png(*size))


def test_a_real_bomb_costs_no_memory():
    import tracemalloc

    bomb = saved(Image.new("1", (6000, 6000)))
    assert len(bomb) < 10_000 and 6000 * 6000 > MAX_PIXELS
    tracemalloc.start()
    with pytest.raises(ValueError, match="36,000,000 pixels"):
        read_image(bomb)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_used_and_said(kind):
    rest = [Image.new("RGB", (40, 20), c) for c in (BLUE, WHITE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(
        Image.new("RGB", (40, 20), RED), kind, save_all=True, append_images=rest, **options
    )
    read = read_image(data)
    assert read.image.getpixel((0, 0)) == RED
    assert "The file holds 3 frames; the first is used." in read.notes


def test_of_many_pages_the_first_is_used_and_said():
    data = saved(halves(), "TIFF", save_all=True, append_images=[halves()])
    assert read_image(data).notes == ("The file holds 2 pages; the first is used.",)


def test_sixteen_bit_grey_keeps_its_range():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).repeat(2).reshape(1, -1)
    for kind in ("PNG", "TIFF"):
        read = read_image(saved(Image.fromarray(ramp), kind))
        assert np.array_equal(np.asarray(read.image)[0, ::2, 0], np.arange(256))
        assert read.notes[0] == "Reduced from 16 bits a channel to 8."


def test_sixteen_bit_colour_is_said():
    pixel = struct.pack(">HHH", 65535, 32768, 0)
    read = read_image(png(1, 1, depth=16, body=b"\0" + pixel))
    assert read.image.getpixel((0, 0)) == (255, 128, 0)
    assert read.notes == ("Reduced from 16 bits a channel to 8.",)


@pytest.mark.parametrize("values", [np.full((4, 4), 1e6, np.int32), np.full((4, 4), 0.5, "f4")])
def test_thirty_two_bits_without_a_range_are_refused(values):
    with pytest.raises(ValueError, match=r"32 bits a pixel .* Save it with 8 or 16 bits"):
        read_image(saved(Image.fromarray(values), "TIFF"))


def test_palette_with_a_transparent_colour():
    image = halves().quantize(2)
    index = image.getpixel((0, 0))
    read = read_image(saved(image, transparency=index))
    assert read.image.getpixel((0, 0)) == WHITE and read.image.getpixel((39, 0)) == BLUE
    assert read.notes == ("Palette colours made RGB.", "Transparent parts laid on white.")


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_on_white(mode):
    image = Image.new(mode, (2, 1))
    image.putpixel((0, 0), (0, 128) if mode == "LA" else (0, 0, 0, 128))
    read = read_image(saved(image))
    assert read.image.getpixel((0, 0)) == (127, 127, 127)
    assert read.image.getpixel((1, 0)) == WHITE
    assert read.notes[-1] == "Transparent parts laid on white."


def test_opaque_alpha_changes_nothing():
    assert read_image(saved(halves("RGBA"))).notes == ()


def test_cmyk_is_made_rgb():
    read = read_image(saved(halves("CMYK"), "TIFF"))
    assert read.image.getpixel((0, 0)) == RED and "CMYK" in read.notes[0]


@pytest.mark.parametrize(("orientation", "corner"), [(3, BLUE), (6, RED), (8, BLUE)])
def test_exif_rotation_is_applied(orientation, corner):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("PNG", "TIFF", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        read = read_image(saved(halves(), kind, exif=exif, **options))
        assert read.image.size == ((40, 20) if orientation == 3 else (20, 40)), kind
        assert read.image.getpixel((0, 0)) == corner, kind
        assert read.notes == (f"Turned upright by its EXIF orientation ({orientation}).",), kind
        assert not read.image.info and not read.image.getexif(), kind


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_broken_exif_is_passed_over():
    read = read_image(saved(halves(), exif=b"Exif\0\0MM\0*\0\0\xff\xff\xff\xff"))
    assert read.image.size == (40, 20) and read.notes == ()


def test_metadata_does_not_survive():
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", "secret words")
    assert read_image(saved(halves(), pnginfo=info)).image.info == {}


@pytest.mark.parametrize("size", [(1, 1), (1, 9000), (9000, 1), (3, 500)])
@pytest.mark.parametrize("how", ["crop", "pad"])
def test_odd_shapes_fit(size, how):
    read = read_image(saved(Image.new("RGB", size, RED)))
    out = fit(read, 64, 32, how, multiple=8)
    assert out.image.size == (64, 32)
    assert f"from {size[0]} x {size[1]} to 64 x 32 px" in out.notes[-1]
    assert RED in {out.image.getpixel((x, y)) for x in (31, 32) for y in (15, 16)}


def test_crop_takes_the_middle_and_pad_keeps_all():
    cropped = fit(halves(), 20, 20).image
    assert cropped.getpixel((2, 10)) == RED and cropped.getpixel((17, 10)) == BLUE
    padded = fit(halves(), 40, 40, "pad")
    assert padded.image.getpixel((0, 0)) == (0, 0, 0)
    assert padded.image.crop((0, 10, 40, 30)).tobytes() == halves().tobytes()
    assert padded.notes == ("Resized and padded with black from 40 x 20 to 40 x 40 px.",)


def test_what_fits_stays_as_it_is():
    given = Picture(halves(), "PNG", ("a note",))
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


# Display P3's and sRGB's primaries as columns of XYZ under D50, as ICC profiles hold them.
P3 = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)


def icc(primaries=P3, space=b"RGB ", gamma=2.2, name=b"Display P3"):
    """A profile of three primaries and one gamma, or of grey and a gamma (ICC.1:2001-04)."""

    def fixed(*values):
        return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))

    def xyz(values):
        return b"XYZ " + bytes(4) + fixed(*values)

    text = name + b"\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {
        b"desc": described,
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": xyz((0.9642, 1, 0.8249)),
    }
    if space == b"RGB ":
        tags |= {key: xyz(primaries[:, i]) for i, key in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    else:
        tags[b"kTRC"] = curve
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for key, value in tags.items():
        table += key + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size = struct.pack(">I", start + len(body))
    head = size + bytes(4) + b"\x02\x40\0\0" + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp"
    head += bytes(28) + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def in_srgb(colours, primaries=P3, gamma=2.2):
    """What those numbers are in sRGB, in closed form."""
    linear = (np.asarray(colours) / 255) ** gamma @ primaries.T @ np.linalg.inv(SRGB).T
    linear = linear.clip(0, 1)
    return 255 * np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)


COLOURS = [(200, 60, 40), (60, 160, 80), (30, 60, 200), (128, 128, 128), (0, 0, 0), (255, 255, 255)]


def strip(mode="RGB"):
    image = Image.new("RGB", (len(COLOURS), 1))
    image.putdata(COLOURS)
    return image.convert(mode)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_a_colour_profile_is_applied_and_told(kind):
    lossless = {"lossless": True} if kind == "WEBP" else {}
    read = read_image(saved(strip(), kind, icc_profile=icc(), **lossless))
    got = np.asarray(read.image, dtype=float)[0]
    assert np.abs(got - in_srgb(COLOURS)).max() <= 2  # lcms rounds to 8 bits by way of 16
    assert np.abs(got - COLOURS).max() > 10  # what taking the numbers as they are would be off by
    assert read.notes == ("Colours converted from 'Display P3' to sRGB by the picture's profile.",)


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_a_colour_profile_with_transparency(mode):
    image = strip(mode)
    if mode == "RGBA":
        image.putalpha(255)
    read = read_image(saved(image, icc_profile=icc()))
    shown = np.asarray(image.convert("RGB"), dtype=float)[0]
    assert np.abs(np.asarray(read.image, dtype=float)[0] - in_srgb(shown)).max() <= 2
    assert "Colours converted from 'Display P3'" in read.notes[-1]


def test_a_transparent_colour_stays_transparent_under_a_profile():
    read = read_image(saved(strip(), icc_profile=icc(), transparency=COLOURS[0]))
    assert read.image.getpixel((0, 0)) == WHITE
    assert [note[:17] for note in read.notes] == ["Colours converted", "Transparent parts"]


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_a_grey_profile(mode):
    grey = Image.fromarray(np.array([[0, 50, 128, 200, 255]], dtype=np.uint8))
    if mode == "LA":
        grey.putalpha(255)
    if mode == "I;16":
        grey = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    read = read_image(saved(grey, icc_profile=icc(space=b"GRAY", gamma=1.8, name=b"Dot gain")))
    want = in_srgb(np.repeat([[0], [50], [128], [200], [255]], 3, axis=1), SRGB, 1.8)
    assert np.abs(np.asarray(read.image, dtype=float)[0] - want).max() <= 3
    assert "Colours converted from 'Dot gain' to sRGB" in read.notes[-1]


def test_srgb_by_any_name_stays_bit_for_bit():
    from PIL import ImageCms

    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    read = read_image(saved(Image.fromarray(noise), icc_profile=own))
    assert read.notes == () and np.array_equal(np.asarray(read.image), noise)


@pytest.mark.parametrize(
    ("profile", "mode"),
    [(b"no profile", "RGB"), (icc()[:200], "RGB"), (icc(), "L"), (icc(space=b"GRAY"), "RGB")],
)
def test_a_profile_that_cannot_be_used_is_told(profile, mode):
    image = strip(mode)
    read = read_image(saved(image, icc_profile=profile))
    assert np.array_equal(np.asarray(read.image), np.asarray(image.convert("RGB")))
    assert "colour profile cannot be used" in read.notes[-1] and "left out" in read.notes[-1]
