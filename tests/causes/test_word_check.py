"""A word's map against what the word does, on the embedded model, whose world knows the truth."""

import numpy as np
import pytest
import torch

import sdlab
from sdlab.causes.word_check import given_check, word_check
from sdlab.embedded.captions import Item, Scene
from sdlab.embedded.silhouettes import on_grid, shared_world, silhouette
from sdlab.latents.image import encode
from sdlab.work import finish

ASKED = sdlab.Experiment(prompt="a red car on a beach", seed=7, num_steps=5)


@pytest.fixture(scope="module")
def found(embedded):
    return finish(word_check(embedded, ASKED, "car"))


def test_map_and_predictions_find_the_object(found):
    """Far above chance; which figure exactly depends on the order of sums."""
    table = found.table().set_index(["one", "other"])
    assert list(table.index) == [
        ("map", "prediction"),
        ("map", "picture"),
        ("map", "object"),
        ("prediction", "object"),
        ("picture", "object"),
    ]
    for pair in (("map", "prediction"), ("map", "object"), ("prediction", "object")):
        assert table.loc[pair, "iou"] > 2 * table.loc[pair, "chance"]
        assert table.loc[pair, "rank_correlation"] > 0.2
    assert found.object.dtype == bool and 0 < found.object.mean() < 0.5


def test_the_picture_is_the_plain_runs(embedded, found):
    alone = sdlab.run(embedded, ASKED)
    assert torch.equal(found.runs.plain.latents, alone.latents)
    assert found.evaluations == tuple(range(5))
    assert found.heat.shape == found.prediction.shape == (16, 16)


def test_progress_is_counted_to_its_end(small):
    asked = ASKED.with_(model="small", num_steps=2)
    steps = list(word_check(small, asked, "car", how="masked", evaluations=[1]))
    assert steps == [(i, 5) for i in range(1, 6)]


def test_an_object_is_unknown_outside_of_the_world(small):
    asked = ASKED.with_(model="small", num_steps=1)
    result = finish(word_check(small, asked, "car"))
    assert result.object is None and result.runs.plain.verdict is None
    assert set(result.table()["other"]) == {"prediction", "picture"}


def test_a_given_picture_is_held_against_its_true_mask(embedded):
    scene = Scene((Item("car", 56, 16, 32, "red"),), "beach")
    pictures, cover = shared_world().render([scene])
    mask = on_grid(cover[0, 0] >= 0.5)
    from PIL import Image

    pixels = ((pictures[0] + 1) * 127.5).permute(1, 2, 0).round().byte().numpy()
    image = Image.fromarray(pixels)
    latents = encode(embedded, image)
    result = given_check(embedded, latents, "a red car on a beach", "car", object=mask)
    table = result.table().set_index(["one", "other"])
    assert table.loc[("prediction", "object"), "iou"] > 0.3
    assert table.loc[("map", "object"), "iou"] > 0.3
    assert result.picture is None
    outline = on_grid(silhouette(image, "car"))
    assert (outline & mask).sum() / (outline | mask).sum() > 0.8
    assert silhouette(image, "cat") is None


def test_a_word_that_is_not_there_is_refused(small):
    with pytest.raises(ValueError, match="no word 'boat'"):
        next(word_check(small, ASKED, "boat"))
    with pytest.raises(ValueError, match="evaluations must be from 0 to 4, at least one, got .9"):
        next(word_check(small, ASKED, "car", evaluations=[9]))
    with pytest.raises(TypeError, match="word"):
        next(word_check(small, ASKED, 3))


def test_masked_and_removed_leave_the_word_out_in_two_ways(small):
    asked = ASKED.with_(model="small", num_steps=2)
    ways = [finish(word_check(small, asked, "car", how=how)) for how in ("removed", "masked")]
    assert not np.array_equal(ways[0].prediction, ways[1].prediction)
    assert np.array_equal(ways[0].heat, ways[1].heat)
