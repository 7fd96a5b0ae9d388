"""A picture's colour profile is applied and told, against the standards' own matrices."""

import struct

import numpy as np
import pytest
from PIL import Image

from sdlab.image_files import read_image
from tests.latents.pictures import WHITE, saved

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
