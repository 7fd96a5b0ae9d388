"""What the worker makes of causes for a page: pictures, sentences, and what they are told of."""

import io
from functools import partial

import numpy as np
import pytest
from PIL import Image

import sdlab
from dashboard.views.tokens.causes import _changes, so_what
from dashboard.widgets.causes_work import looked_at, show_changes, show_draws, show_word_check
from sdlab.causes import change
from sdlab.work import finish

ASKED = sdlab.Experiment(prompt="a red car and a red cat", seed=3, num_steps=2, model="small")


def pixels(png):
    """The pixels of a PNG."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize(
    ("count", "chosen"), [(1, (0,)), (3, (0, 1, 2)), (5, (0, 1, 2, 3, 4)), (20, (0, 5, 10, 14, 19))]
)
def test_first_last_and_some_evaluations_between_are_looked_at(count, chosen):
    assert looked_at(count) == chosen


def test_changes_are_shown_beside_the_plain_run(small):
    def make(model, spec):
        return [change.guidance(ASKED.guidance_scale), change.guidance(1.0)]

    found = finish(show_changes(small, ASKED, make, "this run"))
    assert [one.name for one in found.outcomes] == ["this run", "guidance 4", "guidance 1"]
    plain, same, other = found.outcomes
    assert same.said == "The same, bit for bit." and other.said.startswith("RMS 0")
    assert plain.picture == same.picture
    assert not pixels(plain.differences[0]).astype(int)[..., 0].any()
    assert pixels(other.differences[0]).max() > 200  # one scale for all: the largest is light
    assert set(found.course["change"]) == {"this run", "guidance 4", "guidance 1"}
    assert len(plain.predictions) == len(found.evaluations) == 2
    starts = found.paths[found.paths["evaluation"] == 0]
    assert starts["pc1"].nunique() == 1  # all begin at one noise
    ends = found.paths[found.paths["evaluation"] == 2].set_index("change")["pc1"]
    assert ends["this run"] == ends["guidance 4"] != ends["guidance 1"]


def test_the_tokens_page_changes_the_word_that_was_chosen(small):
    word = {"place": 4, "part": "text_encoder"}  # a red car and | a ...
    removed, masked, emptied, hidden = _changes(small, ASKED, **word)
    assert dict(removed.fields)["prompt"] == "a red car and red cat"
    assert masked.switches[0].positions == (5,)
    assert emptied.switches[0].prompt == "" and hidden.switches[0].prompt is None
    found = finish(show_changes(small, ASKED, partial(_changes, **word), "x"))
    said = so_what(found.table)
    for figure in found.table["rms_latents"][1:]:
        assert f"{figure:.2g}" in said


def test_a_word_is_checked_and_drawn(small):
    asked = ("car", "masked", "all", (0, 1))
    found = finish(show_word_check(small, ASKED, asked))
    assert list(found.pictures) == ["plain", "without", "map", "prediction", "picture"]
    assert found.evaluations == (0, 1) and found.gone == ""
    assert found.table.iloc[0][["one", "other"]].tolist() == ["map", "prediction"]


def test_draws_are_decoded(small):
    found = finish(show_draws(small, ASKED, 1, 2, 2))
    assert len(found.draws) == 2 and found.draws[0] != found.draws[1]
    assert all(pixels(png).shape[2] == 3 for png in (found.x_t, found.x0_pred, found.mean))
    assert found.distance >= 0 and found.single >= 0
