"""Charts and HTML of the Tokens page, from tables of a small random text encoder."""

import re

import pandas as pd
import pytest

from dashboard.charts import base, tokens
from dashboard.views.tokens.pieces import grid_html, pieces_html
from sdlab.text.encoder import compare, encode, norms
from sdlab.text.self_attention import attention_table, heads_table, mask_table, mass_table
from sdlab.text.similar import cosine_table
from sdlab.text.tokens import tokens as tokens_of


@pytest.fixture(scope="module")
def encoding(small):
    return encode(small, "a red parrot on a xylophonist", attention=True)


@pytest.fixture(scope="module")
def empty(small):
    return encode(small, "")


def values(chart) -> list[dict]:
    (rows,) = chart.to_dict()["datasets"].values()
    return rows


def titles(encoding: dict) -> list[str]:
    return [encoding[axis]["title"] for axis in ("x", "y")]


@pytest.mark.parametrize("which", ["token", "entering", "contextual"])
def test_norms(encoding, which):
    spec = tokens.norms(norms(encoding), which).to_dict()
    encoded = spec["layer"][1]["encoding"]
    assert encoded["y"]["field"] == which and spec["title"]["text"].startswith("Norm of")
    assert titles(encoded) == ["position in the sequence", "Euclidean norm"]
    assert encoded["color"]["scale"]["domain"] == list(tokens.KINDS)
    assert {t["field"] for t in encoded["tooltip"]} == {"label", which}


def test_difference_tells_what_causality_keeps(encoding, empty):
    chart = tokens.difference(compare(encoding, empty), "the empty prompt")
    assert chart.to_dict()["title"]["text"] == "Difference from the empty prompt"
    states = [row["state"] for row in values(chart)]
    assert states == ["equal by causality"] + ["may differ"] * 76


def test_no_difference_is_a_line_at_zero(empty):
    spec = tokens.difference(compare(empty, empty), "the empty prompt").to_dict()
    assert spec["layer"][1]["encoding"]["y"]["scale"]["domain"] == [0, 1]


@pytest.mark.parametrize("last", [6, None])
def test_cosines_are_a_triangle_that_stays_below_the_limit(encoding, last):
    chart = tokens.cosine_map(cosine_table(encoding, last=last), "Cosine")
    n = 77 if last is None else last + 1
    rows = values(chart)
    assert len(rows) == n * (n + 1) // 2 <= base.MAX_ROWS
    spec = chart.to_dict()["encoding"]
    assert spec["x"]["sort"][:2] == ["0 start", "1 a"] and len(spec["y"]["sort"]) == n
    assert {t["field"] for t in spec["tooltip"]} == {"row_label", "column_label", "cosine"}


@pytest.mark.parametrize("last", [6, None])
def test_an_attention_map_fits_into_a_chart(encoding, last):
    chart = tokens.attention_map(attention_table(encoding, 1, 2, last), "Layer 1, head 2")
    spec = chart.to_dict()
    assert spec["title"]["text"] == "Layer 1, head 2"
    assert len(values(chart)) <= base.MAX_ROWS
    assert spec["encoding"]["color"]["scale"]["type"] == "sqrt"
    assert titles(spec["encoding"]) == ["key: what is looked at", "query: what looks"]


def test_masks(encoding):
    chart = tokens.masks(mask_table(encoding))
    spec = chart.to_dict()["encoding"]
    assert spec["color"]["scale"]["domain"] == ["seen", "pad, seen", "future, hidden"]
    assert spec["y"]["scale"]["reverse"] and titles(spec) == ["key position", "query position"]
    area = sum((row["last"] - row["first"]) for row in values(chart))
    assert area == 77 * 77


def test_mass_and_heads(encoding):
    table = mass_table(encoding).query("layer == 0 and head == 1")
    spec = tokens.mass(table, "Where").to_dict()["encoding"]
    assert spec["x"]["title"] == "share of attention" and spec["x"]["scale"]["domain"] == [0, 1]
    for measure, title in tokens.MEASURES.items():
        chart = tokens.heads(heads_table(encoding), measure).to_dict()
        assert title in chart["title"]["text"] and chart["encoding"]["color"]["field"].startswith(
            measure
        )
    with pytest.raises(ValueError, match="measure must be one of start, previous, self, entropy"):
        tokens.heads(heads_table(encoding), "spread")


@pytest.mark.parametrize(
    ("make", "columns"),
    [
        (lambda f: tokens.norms(f, "token"), "position, label, kind, token"),
        (lambda f: tokens.difference(f, "x"), "position, label"),
        (lambda f: tokens.cosine_map(f, "x"), "row, column"),
        (lambda f: tokens.attention_map(f, "x"), "query, key"),
        (tokens.masks, "query, first"),
        (lambda f: tokens.mass(f, "x"), "query_kind"),
        (lambda f: tokens.heads(f, "self"), "layer, head, self"),
    ],
)
def test_a_missing_column_raises(make, columns):
    with pytest.raises(ValueError, match=f"needs the column.*{columns}"):
        make(pd.DataFrame({"other": [1]}))


def words(html: str) -> list[str]:
    return re.findall(r'<span class="(?:text|bytes)">(.*?)</span>', html)


def test_pieces_in_their_order_pads_as_one(small):
    html = pieces_html(tokens_of(small, "a xylophonist 🦜"))
    assert words(html) == [
        "start", "a", "xy", "lo", "ph", "onist", "F0 9F A6", "9C", "end", "pad &times; 68",
    ]  # fmt: skip
    assert html.count('<span class="word"') == 3, "a box a word, its pieces inside"
    assert "68 pads, positions 9 to 76, id 49407, mask 0" in html


def test_every_piece_says_what_it_is(small):
    html = pieces_html(tokens_of(small, "a cat"), unseen={2}, differs={1, 3})
    assert 'aria-label="position 2, id 2368, entry cat&lt;/w&gt;, of the word cat, mask 1, ' in html
    assert html.count("never seen in training") == 2, "as its name and as its hover text"
    assert html.count("another token in the other prompt") == 4
    assert html.count('class="piece differs"') == 2 and html.count('class="piece unseen"') == 1


def test_what_is_cut_stands_after_the_end_struck_out(small):
    html = pieces_html(tokens_of(small, "parrot " * 77))
    assert words(html) == ["start", *["parrot"] * 75, "end", "parrot", "parrot"]
    assert html.count('class="word cut"') == 2 and html.count("cut off") == 4
    assert "pad" not in words(html)


def test_a_word_cut_in_two_is_two_boxes(small):
    html = pieces_html(tokens_of(small, "a " * 73 + "xylophonist"))
    assert words(html)[-5:] == ["xy", "lo", "end", "ph", "onist"]
    assert html.count('class="word cut"') == 1


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\"'&<b>", "a</span>"])
def test_html_in_a_prompt_stays_text(small, text):
    table = tokens_of(small, text)
    for html in (pieces_html(table), grid_html(table, "id", text)):
        inner = html.partition("</style>")[2]
        allowed = {"div", "span", "table", "tbody", "tr", "th", "td"}
        assert set(re.findall(r"</?([a-z]+)", inner)) <= allowed
        assert inner.count("<span") == inner.count("</span>")


@pytest.mark.parametrize(("column", "first"), [("id", "49406"), ("mask", "1")])
def test_the_grid_has_77_cells_in_seven_rows(small, column, first):
    html = grid_html(tokens_of(small, "parrot " * 100), column, "ids")
    assert html.count("<td") == 77 and html.count("<tr>") == 7
    assert re.findall(r"<td.*?<span>(.*?)</span>", html)[0] == first
    assert re.findall(r'scope="row">(\d+)<', html) == ["0", "11", "22", "33", "44", "55", "66"]
