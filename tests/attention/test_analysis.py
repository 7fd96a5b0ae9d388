"""Courses, overlaps and rankings of words, on maps made by hand whose answers are known."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from sdlab.attention import analysis
from sdlab.attention.maps import key_of
from sdlab.attention.summary import statistics
from tests.attention.made_by_hand import FINE, make


def test_kind_mass_finds_the_pads_that_were_not_kept(text):
    kept = analysis.kind_mass(make(text, kept="all"))
    derived = analysis.kind_mass(make(text))
    pd.testing.assert_frame_equal(kept, derived, rtol=1e-5)
    assert derived.groupby("evaluation")["mass"].sum().to_numpy() == pytest.approx([1, 1, 1])
    assert derived["kind"].tolist()[:4] == ["start", "word", "end", "pad"]


def test_word_course_and_when_words_are_decided(maps):
    course = analysis.word_course(maps)
    last = course[course["evaluation"] == 4]
    np.testing.assert_allclose(last["likeness"], 1.0)
    car = course[course["word"] == "car (2)"]
    expected = maps.heatmap("car", occurrence=1, evaluation=1).mean()
    assert car["mass"].iloc[1] == pytest.approx(float(expected), rel=1e-5)
    made = pd.DataFrame(
        {
            "word": ["a"] * 4 + ["b"] * 4,
            "step": [0, 1, 2, 3] * 2,
            "evaluation": [0, 1, 2, 3] * 2,
            "sigma": [9.0, 4.0, 2.0, 1.0] * 2,
            "likeness": [0.95, 0.2, 0.92, 1.0, 0.91, 0.97, 0.99, 1.0],
        }
    )
    found = analysis.decided(made)
    assert found["evaluation"].tolist() == [2, 0]
    assert found["sigma"].tolist() == [2.0, 9.0]


def test_overlap_of_a_word_with_itself_is_whole(maps):
    found = analysis.overlap(maps).set_index(["word", "other"])
    assert found.loc[("car", "car"), "overlap"] == pytest.approx(1.0)
    assert found.loc[("car", "car"), "correlation"] == pytest.approx(1.0)
    pair = found.loc[("red", "car")]
    assert pair.equals(found.loc[("car", "red")]) and pair["overlap"] < 1.0


def test_phrases_follow_after_the_words(maps):
    also = (("“red car”", (2, 3)),)
    course = analysis.word_course(maps, also=also)
    alone = analysis.word_course(maps)
    pd.testing.assert_frame_equal(course.iloc[: len(alone)], alone)
    phrase = course.iloc[len(alone) :]
    assert phrase["word"].tolist() == ["“red car”"] * 3
    means = [maps.heatmap("red car", occurrence=0, evaluation=e).mean() for e in (0, 1, 4)]
    np.testing.assert_allclose(phrase["mass"], means, rtol=1e-5)
    assert analysis.decided(course)["word"].tolist()[-1] == "“red car”"
    pairs = analysis.overlap(maps, also=also).set_index(["word", "other"])["correlation"]
    one, other = (maps.heatmap([n]) for n in (2, 3))
    expected = np.corrcoef((one + other).ravel(), other.ravel())[0, 1]
    assert pairs["“red car”", "car"] == pytest.approx(expected, rel=1e-4)


def test_overlap_of_tokens_tells_pieces_apart(text):
    maps = make(text, kept="all")
    found = analysis.overlap(maps, "token", layer="8x4")
    names = list(dict.fromkeys(found["word"]))
    assert names[:4] == ["0 start", "1 a", "2 red", "3 car"] and names[-1].endswith(" end")
    assert len(names) == int(text["mask"].sum()) and len(found) == len(names) ** 2
    words = analysis.overlap(maps, layer="8x4").set_index(["word", "other"])
    pair = found.set_index(["word", "other"]).loc[("2 red", "3 car")]
    assert pair["overlap"] == pytest.approx(words.loc[("red", "car"), "overlap"])
    rows = text[text["word"] == "xylophonists"]
    pieces = [
        f"{position} {piece.removesuffix('</w>')}"
        for position, piece in zip(rows["position"], rows["piece"], strict=True)
    ]
    assert len(pieces) > 1 and set(pieces) <= set(names)
    assert "xylophonists" not in " ".join(names)
    with pytest.raises(ValueError, match="Unknown by 'letter'"):
        analysis.overlap(maps, "letter")


def test_ranking_puts_the_most_focused_first(maps):
    found = analysis.ranking(maps, "red car")
    assert len(found) == 4
    assert found["focus"].is_monotonic_decreasing
    first = found.iloc[0]
    heat = maps.heatmap("red car", layer=first["layer"], head=int(first["head"]))
    entropy = statistics(torch.from_numpy(heat))["entropy"]
    assert first["entropy"] == pytest.approx(float(entropy), rel=1e-6)
    assert first["focus"] == pytest.approx(1 - float(entropy) / math.log(heat.size), rel=1e-6)


def test_ranking_puts_what_hardly_looks_at_the_word_last(text):
    maps = make(text)
    maps.tensors[key_of("cond", FINE)][:, 1] = 0.0
    maps.tensors[key_of("cond", FINE)][:, 1, 2, 1, 5] = 1e-6  # one place, and next to nothing
    found = analysis.ranking(maps, 2)
    last = found.iloc[-1]
    assert (last["layer"], last["head"]) == (FINE.name, 1)
    assert last["focus"] == found["focus"].max() == pytest.approx(1.0)
    assert found["focus"].iloc[:-1].is_monotonic_decreasing
    for by in ("mass", "peak"):
        assert analysis.ranking(maps, 2, by)[by].is_monotonic_decreasing
    with pytest.raises(ValueError, match="Unknown by 'size'"):
        analysis.ranking(maps, 2, "size")
