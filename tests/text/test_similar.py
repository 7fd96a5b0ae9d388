"""Cosines and nearest tokens are those of a full sort."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sdlab.text.encoder import encode
from sdlab.text.similar import cosine_table, cosines, nearest

PROMPT = "a red parrot on a beach"


@pytest.mark.parametrize("space", ["contextual", "token"])
def test_cosines(sd1, space):
    encoding = encode(sd1, PROMPT)
    vectors = torch.from_numpy(getattr(encoding, space)).double()
    expected = torch.nn.functional.cosine_similarity(vectors[:, None], vectors[None], dim=-1)
    np.testing.assert_allclose(cosines(encoding, space), expected.numpy(), atol=1e-6)
    table = cosine_table(encoding, space, last=6)
    assert len(table) == 49
    assert table.query("row == 3 and column == 2")["cosine"].item() == pytest.approx(
        float(expected[3, 2]), abs=1e-6
    )


def test_equal_tokens_are_alike_before_the_encoder_and_differ_after(sd1):
    encoding = encode(sd1, PROMPT)
    assert cosines(encoding, "token")[1, 5] == pytest.approx(1, abs=1e-6)
    assert cosines(encoding, "contextual")[1, 5] < 0.999


@pytest.mark.parametrize("space", ["contextual", "token"])
def test_nearest_entries_are_those_of_a_full_sort(sd2, space):
    encoding = encode(sd2, PROMPT)
    rows = sd2.text_encoder.embeddings.token_embedding.weight.double()
    vector = torch.from_numpy(getattr(encoding, space)[3]).double()
    best = torch.nn.functional.cosine_similarity(rows, vector[None], dim=1).topk(7)
    table = nearest(sd2, encoding, 3, space, 7)
    assert table["id"].tolist() == best.indices.tolist()
    np.testing.assert_allclose(table["cosine"], best.values, atol=1e-6)
    assert table["rank"].tolist() == list(range(1, 8)) and (table["alike"] == 0).all()


def test_a_table_in_half_precision_is_compared_in_float32(sd2):
    encoding, half = encode(sd2, PROMPT), copy.deepcopy(sd2.text_encoder).half()
    pipeline = SimpleNamespace(text_encoder=half, tokenizer=sd2.tokenizer)
    rows = half.embeddings.token_embedding.weight.double()
    vector = torch.from_numpy(encoding.contextual[3]).double()
    best = torch.nn.functional.cosine_similarity(rows, vector[None], dim=1).topk(7)
    table = nearest(pipeline, encoding, 3, "contextual", 7)
    assert table["id"].tolist() == best.indices.tolist()
    np.testing.assert_allclose(table["cosine"], best.values, atol=1e-6)


def test_a_token_is_nearest_to_itself(embedded):
    encoding = encode(embedded, PROMPT)
    table = nearest(embedded, encoding, 3, "token")
    assert table.loc[0, ["text", "alike"]].tolist() == ["parrot", 0]
    assert table["cosine"][0] == pytest.approx(1, abs=1e-5)


def test_entries_that_share_one_row_are_listed_once(embedded):
    encoding = encode(embedded, "a xylophonist")
    table = nearest(embedded, encoding, 2, "token")
    assert table["id"][0] == encoding.ids[2] and table["alike"][0] > 40_000
    assert table["id"].is_unique and len(table) == 10


def test_special_tokens_and_the_second_encoder(sdxl):
    encoding = encode(sdxl, PROMPT, "text_encoder_2")
    assert nearest(sdxl, encoding, 76, "token")["text"][0] == "!"
    assert nearest(sdxl, encoding, 0, "token")["text"][0] == "<|startoftext|>"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"position": 77}, "position must be from 0 to 76, got 77"),
        ({"position": -1}, "position must be from 0 to 76"),
        ({"position": 0, "count": 0}, "count must be at least 1"),
        ({"position": 0, "space": "hidden"}, "Unknown space 'hidden'"),
    ],
)
def test_what_cannot_be_looked_up_is_refused(sd1, options, message):
    with pytest.raises(ValueError, match=message):
        nearest(sd1, encode(sd1, PROMPT), **options)
