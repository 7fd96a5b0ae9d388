"""Heat maps as pictures."""

import numpy as np
import pytest
from PIL import Image

from sdlab.attention import pictures


@pytest.fixture
def corner():
    """A map of 4 x 8 cells with its heat in the upper left one."""
    heat = np.zeros((4, 8), dtype=np.float32)
    heat[0, 0] = 0.5
    return heat


def test_a_mask_is_white_where_the_heat_is(corner):
    found = np.asarray(pictures.mask(corner, (64, 32)))
    assert found.shape == (32, 64) and set(np.unique(found)) == {0, 255}
    assert found[0, 0] == 255 and found[-1, -1] == 0


def test_an_overlay_leaves_the_picture_below_its_threshold(corner):
    image = Image.new("RGB", (64, 32), (10, 200, 30))
    found = np.asarray(pictures.overlay(image, corner, opacity=1.0, threshold=0.5))
    assert tuple(found[-1, -1]) == (10, 200, 30)
    assert tuple(found[0, 0]) == pictures.STOPS[-1]


def test_no_heat_is_dark_and_not_divided_by():
    assert (pictures.colours(np.zeros((2, 2))) == pictures.STOPS[0]).all()


def test_a_sheet_holds_every_map_on_one_scale(corner):
    image = Image.new("RGB", (64, 32))
    paper = pictures.sheet(image, [corner, corner / 2, corner], columns=2, side=32, opacity=1.0)
    assert paper.size == (2 * 32 + pictures.GAP, 2 * 16 + pictures.GAP)
    pixels = np.asarray(paper).astype(int)
    assert pixels[0, 0].sum() > pixels[0, 32 + pictures.GAP].sum() > 0
    own = pictures.sheet(image, [corner, corner / 2], columns=2, side=32, opacity=1.0, common=False)
    pixels = np.asarray(own).astype(int)
    assert (pixels[0, 0] == pixels[0, 32 + pictures.GAP]).all()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda h, i: pictures.overlay(i, h, opacity=1.5), "opacity"),
        (lambda h, i: pictures.mask(h, i.size, threshold=-0.1), "threshold"),
        (lambda h, i: pictures.colours(h[0]), r"finite \[h, w\]"),
        (lambda h, i: pictures.colours(h * np.nan), "finite"),
        (lambda h, i: pictures.sheet(i, [], columns=3), "needs a map"),
    ],
)
def test_bad_arguments_are_named(corner, call, match):
    with pytest.raises(ValueError, match=match):
        call(corner, Image.new("RGB", (8, 4)))
