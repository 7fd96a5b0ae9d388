"""The words of one place, on maps made by hand whose answers are known."""

import pandas as pd
import pytest

from sdlab.attention import analysis, places
from sdlab.attention.maps import key_of
from tests.attention.made_by_hand import FINE, make


def test_words_at_a_place(text):
    whole = places.words_at(make(text, kept="all"), 0.3, 0.9, evaluation=1)
    assert whole["share"].sum() == pytest.approx(1.0, abs=1e-6)
    is_word = whole["kind"] == "word"
    assert is_word.is_monotonic_decreasing
    assert whole[is_word]["share"].is_monotonic_decreasing
    assert whole[~is_word]["share"].is_monotonic_decreasing
    maps = make(text)
    share = places.words_at(maps, 0.3, 0.9, layer="8x4").set_index("word")["share"]
    expected = maps.tensors[key_of("cond", FINE)][..., 3, 2].mean((0, 1))
    assert share["red"] == pytest.approx(float(expected[2]), rel=1e-6)
    assert share["start"] == pytest.approx(float(expected[0]), rel=1e-6)


def test_pads_that_were_not_kept_have_what_the_others_lack(text):
    kept = places.words_at(make(text, kept="all"), 0.3, 0.9)
    derived = places.words_at(make(text), 0.3, 0.9)
    pd.testing.assert_frame_equal(kept, derived, rtol=1e-5)
    assert "pad" not in set(places.words_at(make(text, heads="max"), 0.3, 0.9)["kind"])


def test_words_over_the_evaluations_have_the_means_of_the_place(text):
    maps = make(text)
    course = places.words_over(maps, 0.3, 0.9)
    assert course["evaluation"].unique().tolist() == [0, 1, 4]
    assert course.groupby("evaluation")["share"].sum().to_numpy() == pytest.approx([1, 1, 1])
    one = places.words_at(maps, 0.3, 0.9, evaluation=4)
    last = course[course["evaluation"] == 4].set_index("word")["share"]
    assert last[one["word"]].to_numpy() == pytest.approx(one["share"].to_numpy())


def test_when_a_word_is_the_first_of_the_words():
    rows = [
        (evaluation, word, "word" if word != "start" else "start", share)
        for evaluation, shares in enumerate([(0.2, 0.1), (0.1, 0.3), (0.4, 0.1)])
        for word, share in zip(("cat", "sat", "start"), (*shares, 0.5), strict=True)
    ]
    course = pd.DataFrame(rows, columns=["evaluation", "word", "kind", "share"])
    assert places.first_when(course, "cat") == [0, 2]
    assert places.first_when(course, "sat") == [1]


def test_words_at_is_still_found_where_it_was():
    with pytest.warns(DeprecationWarning, match="sdlab.attention.places.words_at"):
        assert analysis.words_at is places.words_at
    with pytest.raises(AttributeError, match="no attribute 'word_at'"):
        _ = analysis.word_at
