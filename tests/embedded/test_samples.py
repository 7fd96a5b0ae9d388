"""Where a word of a sample truly is, by its caption."""

import numpy as np
import pytest

from sdlab.embedded.samples import SAMPLES, drawn_picture, sample_mask


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_has_masks_of_its_objects_and_the_rest_is_background(name):
    scene = SAMPLES[name]
    things = [sample_mask(name, item.name, 16) for item in scene.items]
    behind = sample_mask(name, scene.background, 16)
    assert all(mask.any() and not mask.all() for mask in things)
    assert not (np.any(things, axis=0) & behind).any()
    item = scene.items[0]
    down, right = (place // 8 for place in (item.y, item.x))
    inside = things[0][down : down + item.size // 8, right : right + item.size // 8]
    assert inside.sum() == things[0].sum()


def test_a_colour_is_where_its_object_is_and_small_words_are_nowhere():
    name = "a red car on a meadow"
    assert np.array_equal(sample_mask(name, "red", 16), sample_mask(name, "car", 16))
    assert sample_mask(name, "on", 16) is None and sample_mask(name, "boat", 16) is None


def test_a_drawn_scene_knows_the_words_of_its_caption():
    words = drawn_picture(0)[1].split()
    masks = [sample_mask(0, word, 16) for word in words]
    assert any(mask is not None and mask.any() for mask in masks)
