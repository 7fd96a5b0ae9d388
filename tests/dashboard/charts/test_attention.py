"""The charts of attention, from tables made by hand."""

import numpy as np
import pandas as pd
import pytest

from dashboard.charts import attention
from dashboard.charts.names import short_layers

LAYERS = [
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2",
    "mid_block.attentions.0.transformer_blocks.0.attn2",
    "up_blocks.1.attentions.2.transformer_blocks.0.attn2",
]


def kinds(count: int) -> pd.DataFrame:
    rows = [
        {"step": e, "evaluation": e, "timestep": 999 - 40 * e, "sigma": 14.0 / (e + 1),
         "kind": kind, "mass": share}
        for e in range(count)
        for kind, share in zip(attention.KINDS, (0.6, 0.3, 0.06, 0.04), strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def course() -> pd.DataFrame:
    frames = [kinds(5).query("kind == 'word'").assign(word=word) for word in ("red", "car")]
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(entropy=3.0, share=0.1, likeness=np.linspace(0, 1, len(frame)))


@pytest.mark.parametrize(("count", "mark"), [(5, "area"), (1, "bar")])
def test_shares_are_stacked_to_one_in_the_order_of_the_prompt(count, mark):
    spec = attention.kind_mass(kinds(count), "sigma").to_dict()
    (layer,) = spec["layer"]
    assert layer["mark"]["type"] == mark
    assert layer["encoding"]["y"]["scale"]["domain"] == [0, 1]
    assert layer["encoding"]["color"]["scale"]["domain"] == ["start", "words", "end", "pads"]
    assert layer["encoding"]["order"]["field"] == "rank"


def test_the_heads_maximum_is_no_share_of_one():
    frame = kinds(3)
    frame.loc[frame["kind"] == "pad", "mass"] = np.nan  # of pads that were not kept
    frame.loc[frame["kind"] == "start", "mass"] = 1.4
    spec = attention.kind_mass(frame, "step", whole=False).to_dict()
    y = spec["layer"][0]["encoding"]["y"]
    assert "domain" not in y["scale"] and y["title"] == "largest share of any head"
    (rows,) = spec["datasets"].values()
    assert len(rows) == 9 and max(row["mass"] for row in rows) == 1.4
    place = pd.DataFrame({"word": ["start"], "kind": ["start"], "share": [0.7]})
    x = attention.words_at(place, whole=False).to_dict()["layer"][0]["encoding"]["x"]
    assert x["title"] == "largest share of any head"


@pytest.mark.parametrize("value", attention.COURSES)
def test_a_course_has_a_line_a_word(value):
    spec = attention.course(course(), "step", value).to_dict()
    line = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "line")
    assert line["encoding"]["y"]["field"] == value
    assert line["encoding"]["color"]["sort"] == ["red", "car"]
    assert spec["title"]["text"] == attention.COURSES[value][0]


def test_an_unknown_course_is_refused():
    with pytest.raises(ValueError, match="mass, entropy, likeness"):
        attention.course(course(), "step", "peak")


@pytest.mark.parametrize(("value", "domain"), [("overlap", [0, 1]), ("correlation", [-1, 1])])
def test_the_overlap_is_a_square_of_words(value, domain):
    frame = pd.DataFrame(
        [(a, b, 0.5, 0.1) for a in ("red", "car") for b in ("red", "car")],
        columns=["word", "other", "overlap", "correlation"],
    )
    spec = attention.overlap(frame, value).to_dict()
    cells = spec["layer"][0]["encoding"]
    assert cells["color"]["field"] == value and cells["color"]["scale"]["domain"] == domain
    assert cells["x"]["sort"] == cells["y"]["sort"] == ["red", "car"]


def test_the_ranking_names_layers_in_short_and_heads():
    frame = pd.DataFrame(
        {"layer": LAYERS, "grid": ["16x16", "4x4", "8x8"], "head": [0, 1, 2], "mass": 0.1,
         "entropy": 2.0, "focus": [0.9, 0.5, 0.1], "peak": 0.4}
    )  # fmt: skip
    spec = attention.ranking(frame).to_dict()
    (rows,) = spec["datasets"].values()
    assert [row["name"] for row in rows] == ["down 0.0, head 0", "mid 0, head 1", "up 1.2, head 2"]
    assert spec["layer"][0]["encoding"]["x"]["field"] == "focus"
    mass = attention.ranking(frame, "mass", faint=0.01).to_dict()
    assert mass["layer"][0]["encoding"]["x"]["field"] == "mass"
    assert mass["layer"][0]["encoding"]["opacity"]["condition"]["test"] == "datum.peak < 0.01"
    assert mass["title"]["text"] == "Layers by how much attention goes to the word"


def test_what_is_no_word_stands_in_brackets():
    frame = pd.DataFrame(
        {"word": ["parrot", "start", "pad"], "kind": ["word", "start", "pad"], "share": 0.3}
    )
    (rows,) = attention.words_at(frame).to_dict()["datasets"].values()
    assert [row["name"] for row in rows] == ["parrot", "[start]", "padding"]


def test_short_names_that_would_be_alike_stay_long():
    assert short_layers(LAYERS) == ["down 0.0", "mid 0", "up 1.2"]
    twins = [f"mid_block.attentions.0.transformer_blocks.{n}.attn2" for n in (0, 1)]
    assert short_layers(twins) == ["mid 0", "mid 0.1"]
    assert short_layers(["a.attn2", "a.attn2"]) == ["a.attn2", "a.attn2"]


@pytest.mark.parametrize(
    ("chart", "frame", "missing"),
    [
        (lambda f: attention.kind_mass(f, "step"), kinds(2), "mass"),
        (lambda f: attention.course(f, "step", "mass"), course(), "word"),
        (attention.words_at, pd.DataFrame({"word": [], "kind": [], "share": []}), "share"),
    ],
)
def test_a_missing_column_is_named(chart, frame, missing):
    with pytest.raises(ValueError, match=missing):
        chart(frame.drop(columns=missing))


def test_a_joint_transformer_s_picture_and_template_have_their_share():
    frame = pd.concat([kinds(3), kinds(3).query("kind == 'pad'").assign(kind="picture")])
    spec = attention.kind_mass(frame, "step").to_dict()
    color = spec["layer"][0]["encoding"]["color"]["scale"]
    assert color["domain"] == ["start", "words", "end", "pads", "the picture"]
    assert len(color["range"]) == 5
    (rows,) = spec["datasets"].values()
    assert {row["name"] for row in rows} == set(color["domain"])


def test_layers_of_transformers_have_short_names():
    names = ["transformer_blocks.3.attn", "transformer_blocks.3.attn.picture"]
    names += ["transformer_blocks.3.attn2", "single_transformer_blocks.0.attn.text"]
    names += ["layers.5.attention"]
    assert short_layers(names) == [
        "block 3", "block 3, picture", "block 3 attn2", "single 0, text", "layers 5",
    ]  # fmt: skip
