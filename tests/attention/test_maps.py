"""Words, heat maps and tables, on maps made by hand whose answers are known."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

import sdlab
from sdlab.attention import views, words
from sdlab.attention.layers import Layer
from sdlab.attention.maps import AttentionMaps, key_of
from sdlab.attention.summary import statistics, table
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.text.tokens import tokens
from tests.attention.made_by_hand import COARSE, FINE, OWN, make


def test_subwords_are_merged(text):
    pieces = text[text["word"] == "xylophonists"]
    assert len(pieces) > 1
    assert words.positions(text, "XYLOPHONISTS") == pieces["position"].tolist()


@pytest.mark.parametrize(
    ("word", "occurrence", "expected"),
    [
        ("red car", None, [2, 3]),
        ("red  CAR", 0, [2, 3]),
        ("car", 0, [3]),
        ("car", 1, [10]),
        ("car", None, [3, 10]),
        ("blue-ish car", None, [7, 8, 9, 10]),
        ("a", 1, [6]),
        (5, None, [5]),
        ([4, 2], None, [2, 4]),
        (np.int64(0), None, [0]),
    ],
)
def test_words_and_phrases(text, word, occurrence, expected):
    assert words.positions(text, word, occurrence) == expected


@pytest.mark.parametrize(
    ("word", "occurrence", "message"),
    [
        (
            "cat",
            None,
            "no word 'cat'. Did you mean 'car'.*Its words: A, red, car, ,, and, a, blue, -",
        ),
        ("re", None, "no word 're'"),
        ("red blue", None, "no word 'red blue'"),
        ("", None, "no word ''"),
        ("car", 2, "occurrence must be from 0 to 1 for 'car'.*2 times; got 2"),
        (77, None, "positions must be from 0 to 76, got 77"),
        (-1, None, "positions must be from 0 to 76"),
        ([], None, r"positions must be from 0 to 76, got \[\]"),
    ],
)
def test_unknown_words_are_refused(text, word, occurrence, message):
    with pytest.raises(ValueError, match=message):
        words.positions(text, word, occurrence)


def test_what_was_cut_off_is_told(tokenizer):
    text = tokens(tokenizer, "word " * 76 + "parrot")
    with pytest.raises(ValueError, match="'parrot' lies past the 77-token limit"):
        words.positions(text, "parrot")
    assert "parrot" not in words.listed(text)


def test_repeated_words_have_their_own_labels(text):
    labels = [label for label, _ in words.labelled(text)]
    assert labels.count("car") == 1 and "car (2)" in labels and "a (2)" in labels


def test_a_heat_map_is_the_mean_over_layers_of_the_words_share(maps):
    found = maps.heatmap("red car", layer="1/1")
    whole = maps.tensors[key_of("cond", FINE)]
    expected = whole[:, :, [2, 3]].sum(2).mean((0, 1))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    coarse = maps.tensors[key_of("cond", COARSE)][:, :, [2, 3]].sum(2).mean((0, 1))
    grown = functional.interpolate(coarse[None, None], size=(4, 8), mode="bilinear")[0, 0]
    np.testing.assert_allclose(maps.heatmap("red car"), (expected + grown) / 2, rtol=1e-5)
    assert maps.heatmap("red car", size=(64, 128)).shape == (64, 128)
    small = maps.heatmap("red car", layer="up_blocks", size=(2, 4))
    np.testing.assert_allclose(small, functional.avg_pool2d(expected[None], 2)[0], rtol=1e-5)


def test_choices_pick_evaluations_heads_and_layers(maps):
    whole = maps.tensors[key_of("cond", COARSE)]
    for choice, expected in (
        ({"step": 0}, whole[:2, :, 2].mean((0, 1))),
        ({"evaluation": 4}, whole[2, :, 2].mean(0)),
        ({"evaluation": np.int64(4), "head": np.int64(1)}, whole[2, 1, 2]),
        ({"evaluation": np.array([0, 4])}, whole[[0, 2], :, 2].mean((0, 1))),
        ({"step": 0, "evaluation": 1, "head": 1}, whole[1, 1, 2]),
    ):
        found = maps.heatmap(2, layer="4x2", **choice)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    both = maps.heatmap(2, layer=["mid_block", "8x4"])
    np.testing.assert_allclose(both, maps.heatmap(2), rtol=1e-6)
    with pytest.raises(
        TypeError, match=r"argument of heatmap\(\) 'stepp'. Did you mean 'step'.*word"
    ):
        maps.heatmap(2, stepp=0)
    with pytest.raises(
        TypeError, match=r"argument of frames\(\) 'haed'. Did you mean 'head'.*over"
    ):
        views.frames(maps, 2, "layer", haed=0)


def test_daam_is_as_published(maps):
    """All blocks but the middle one; summed over time, each head grown, clamped, then averaged."""
    down = Layer("down_blocks.1.attn2", True, 2, 2, 4, 2)
    facts = replace(maps.facts, layers=(down, COARSE, FINE))
    tensors = {**maps.tensors, key_of("cond", down): maps.tensors[key_of("cond", COARSE)].flip(0)}
    tensors[key_of("cond", down)] = tensors[key_of("cond", down)].flip(-1)
    seen = AttentionMaps(facts, tensors, maps.tokens)

    def published(*layers):
        merged = []
        for layer in layers:
            for head in tensors[key_of("cond", layer)].sum(0):
                grown = functional.interpolate(head[:, None], size=(4, 8), mode="bicubic")
                merged.append(grown.clamp(min=0))
        return torch.stack(merged).mean(0)[:, 0][[2, 3]].mean(0)

    found = seen.heatmap("red car", method="daam")
    np.testing.assert_allclose(found, published(down, FINE), rtol=1e-5)
    with_middle = published(down, COARSE, FINE)
    assert not np.allclose(found, with_middle, rtol=1e-3)
    named = seen.heatmap("red car", method="daam", layer="all")
    np.testing.assert_allclose(named, with_middle, rtol=1e-5)
    middle = AttentionMaps(replace(facts, layers=(COARSE,)), tensors, maps.tokens)
    with pytest.raises(ValueError, match="middle block out.*layer='mid_block'"):
        middle.heatmap("red car", method="daam")
    named = middle.heatmap("red car", method="daam", layer="mid_block")
    np.testing.assert_allclose(named, published(COARSE), rtol=1e-5)


def test_frames_run_along_one_axis(maps):
    evaluations, stack = views.frames(maps, "car", "evaluation", occurrence=1)
    assert evaluations == [0, 1, 4]
    for evaluation, frame in zip(evaluations, stack, strict=True):
        alone = maps.heatmap("car", occurrence=1, evaluation=evaluation)
        np.testing.assert_allclose(frame, alone, rtol=1e-6)
    names, stack = views.frames(maps, "car", "layer")
    assert names == [FINE.name, COARSE.name] and stack.shape == (2, 4, 8)
    heads, stack = views.frames(maps, "car", "head", layer="mid_block")
    assert heads == [0, 1]
    np.testing.assert_allclose(stack[1], maps.heatmap("car", layer="mid_block", head=1), rtol=1e-6)
    one, alone = views.frames(maps, "car", "head", layer="mid_block", head=1)
    assert one == [1]
    np.testing.assert_array_equal(alone, stack[1:])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m: m.heatmap("car", step=1), "No attention was kept of step 1.*kept.*0, 1, 4"),
        (lambda m: m.heatmap("car", layer="3x3"), "Unknown attention layer '3x3'.*1/1, 1/2, 4x2"),
        (lambda m: m.heatmap("car", head=2), r"head must be.*\(0 to 1\), got 2"),
        (lambda m: m.heatmap("car", half="uncond"), "The 'uncond' half was not recorded"),
        (lambda m: m.heatmap("car", method="sum"), "Unknown method 'sum'"),
        (lambda m: m.heatmap(60), "Position 60 was not recorded, only 0 to 18"),
        (lambda m: m.maps("attn2"), "Unknown recorded attention layer 'attn2'"),
        (lambda m: views.frames(m, "car", "time"), "Unknown axis 'time'"),
        (lambda m: views.frames(m, "car", "head"), "over='head' needs one layer, got 2"),
        (lambda m: views.self_map(m, 1.5, 0), "x must be from 0 to 1.*got 1.5"),
    ],
)
def test_what_was_not_kept_is_told(maps, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(maps)


def test_a_reduced_head_cannot_be_picked(text):
    with pytest.raises(ValueError, match="their mean or max only"):
        make(text, heads="mean").heatmap("car", head=1)


def test_self_map_is_where_a_place_looks(maps):
    found = views.self_map(maps, 0.99, 0.3, evaluation=1)
    own = maps.tensors[key_of("cond", OWN)][1, :, 1 * 8 + 7].mean(0)
    np.testing.assert_allclose(found, own, rtol=1e-6)
    assert found.sum() == pytest.approx(1.0, abs=1e-6)
    assert views.cell(OWN, 1.0, 1.0) == (3, 7)


def test_statistics_of_known_maps():
    even = torch.full((1, 4, 8), 0.25)
    point = torch.zeros(1, 4, 8)
    point[0, 3, 1] = 0.5
    two = torch.zeros(1, 4, 8)
    two[0, 0, 0] = two[0, 0, 7] = 0.1
    found = statistics(torch.stack([even, point, two, torch.zeros(1, 4, 8)])[:, 0])
    np.testing.assert_allclose(found["mass"], [0.25, 0.5 / 32, 0.2 / 32, 0.0], rtol=1e-6)
    np.testing.assert_allclose(found["entropy"][:3], [math.log(32), 0.0, math.log(2)], atol=1e-9)
    np.testing.assert_allclose(found["x"][:3], [0.5, 1.5 / 8, 0.5])
    np.testing.assert_allclose(found["y"][:3], [0.5, 3.5 / 4, 0.5 / 4])
    spread = math.sqrt(np.var(np.arange(8) / 8) + np.var(np.arange(4) / 4))
    np.testing.assert_allclose(found["spread"][:3], [spread, 0.0, 3.5 / 8], atol=1e-7)
    np.testing.assert_allclose(found["peak"], [0.25, 0.5, 0.1, 0.0], rtol=1e-6)
    np.testing.assert_allclose(found["area"], [0.0, 1 / 32, 2 / 32, 0.0])
    assert np.isnan(found["entropy"][3]) and np.isnan(found["x"][3])


@pytest.mark.parametrize(("threshold", "cells"), [(0.0, 3), (0.2, 3), (0.5, 2), (0.8, 1), (1.0, 0)])
def test_the_area_is_above_a_share_of_the_range(threshold, cells):
    one = torch.full((1, 4, 8), 0.1)
    one[0, 0, :3] = torch.tensor([0.4, 0.7, 1.1])  # 0.3, 0.6 and 1 of the range
    found = statistics(one, threshold)
    np.testing.assert_allclose(found["area"], [cells / 32])


def test_a_table_of_another_threshold_differs_in_area_alone(maps):
    low, half = maps.summary(0.25), maps.summary()
    assert half is maps.table
    pd.testing.assert_frame_equal(low.drop(columns="area"), half.drop(columns="area"))
    assert (low["area"] >= half["area"]).all() and (low["area"] > half["area"]).any()
    with pytest.raises(ValueError, match="threshold must be from 0 to 1.*got 1.5"):
        maps.summary(1.5)


def test_the_table_has_a_row_a_map(maps, text):
    found = table(maps)
    assert len(found) == 3 * 2 * 2 * 19
    row = found.query("evaluation == 4 and layer == 'mid_block.attn2' and head == 1").iloc[3]
    expected = statistics(maps.tensors[key_of("cond", COARSE)][2, 1, 3])
    assert (row["word"], row["kind"], row["piece"], row["grid"]) == (
        "car",
        "word",
        "car</w>",
        "4x2",
    )
    assert (row["step"], row["timestep"], row["sigma"], row["position"]) == (2, 3.0, 0.1, 3)
    for name, value in expected.items():
        assert row[name] == pytest.approx(float(value), rel=1e-9)
    whole = table(make(text, kept="all"))
    total = whole.groupby(["evaluation", "layer", "head"])["mass"].sum()
    np.testing.assert_allclose(total, 1.0, rtol=1e-6)
    assert table(make(text, heads="mean"))["head"].isna().all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layers": "all"}, "layers must be a list of layer names"),
        ({"layers": ()}, "layers and self_layers are both empty"),
        ({"heads": "median"}, "Unknown attention heads 'median'. Did you mean 'mean'"),
        ({"tokens": "words"}, "Unknown attention tokens 'words'"),
        ({"halves": "uncond"}, "Unknown attention halves 'uncond'"),
        ({"dtype": "int8"}, "Unknown attention dtype"),
        ({"steps": 0}, "attention steps must be 'all', 'last' or a whole number from 1, got 0"),
        ({"steps": True}, "attention steps must be"),
        ({"max_bytes": 0}, "max_bytes must be at least 1, got 0"),
        ({"max_bytes": 1.5}, "max_bytes must be a whole number"),
    ],
)
def test_bad_records_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        AttentionRecord(**fields)


def test_the_record_is_part_of_the_experiment():
    plain = sdlab.Experiment(prompt="a parrot")
    assert plain.id == "f70bb53ece72b685"  # as before there was attention
    asked = plain.with_(record=sdlab.Record(attention=AttentionRecord(self_layers=["1/2"])))
    assert asked.id != plain.id
    again = sdlab.Experiment.from_dict(asked.to_dict())
    assert again == asked and hash(again) == hash(asked) and again.id == asked.id
    assert again.record.attention.self_layers == ("1/2",)
    with pytest.raises(ValueError, match="Unknown attention field 'head'. Did you mean 'heads'"):
        sdlab.Record(attention={"head": "mean"})
    with pytest.raises(ValueError, match="attention must be an AttentionRecord, got True"):
        sdlab.Record(attention=True)
