"""Pictures from outside are read as they look, hostile ones generated here are refused."""

import struct

import numpy as np
import pytest
from PIL import Image

from sdlab.image_files import MAX_BYTES, MAX_PIXELS, MAX_SIDE, read_image
from sdlab.latents.image import fit
from tests.latents.pictures import BLUE, RED, WHITE, halves, png, saved


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
