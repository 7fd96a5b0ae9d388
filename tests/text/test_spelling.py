"""Words that textual inversion added, and words typed in other letters than the prompt's."""

import unicodedata

import pytest
import torch

import sdlab
from sdlab.attention import words
from sdlab.ddim.prompt_to_prompt import shared_tokens
from sdlab.models.model import Model
from sdlab.text.encoder import encode
from sdlab.text.notes import unseen
from sdlab.text.spelling import written_out
from sdlab.text.tokens import token_tensors, tokens
from tests.conftest import learning, make_pipeline


@pytest.fixture(scope="module")
def inverted():
    """A pipeline with inversions of one and of three vectors; "midj" has no brackets."""
    pipe = learning(make_pipeline())
    torch.manual_seed(6)
    for name, vectors in (("<toy>", 1), ("<cat>", 3), ("midj", 1)):
        pipe.load_textual_inversion(torch.randn(vectors, 32).squeeze(0), token=name)
    return pipe


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a <toy> red car", {"a": [1], "<toy>": [2], "red": [3], "car": [4]}),
        ("a <cat> red car", {"a": [1], "<cat>": [2, 3, 4], "red": [5], "car": [6]}),
        ("<cat>, <toy>s", {"<cat>": [1, 2, 3], ",": [4], "<toy>": [5], "s": [6]}),
        ("<toy><cat>car", {"<toy>": [1], "<cat>": [2, 3, 4], "car": [5]}),
        ("a midj red", {"a": [1], "midj": [2], "red": [3]}),
    ],
)
def test_an_added_word_is_one_word(inverted, prompt, expected):
    table = tokens(inverted, prompt)
    assert dict(words.spans(table)) == expected
    own = table[table["kind"] == "word"]
    letters = [prompt[a:b] for a, b in zip(own["first"], own["last"], strict=True)]
    assert letters == own["word"].tolist()


@pytest.mark.parametrize("prompt", ["a <toy> red car", "<cat>, <cat> car", "a car", "", "<cat>"])
def test_ids_are_those_that_the_pipeline_encodes(inverted, prompt):
    converted = inverted.maybe_convert_prompt(prompt, inverted.tokenizer)
    assert written_out(inverted.tokenizer, prompt)[0] == converted
    ids = inverted.tokenizer(converted, padding="max_length", max_length=77)["input_ids"]
    assert tokens(inverted, prompt)["id"].tolist() == ids
    assert token_tensors(inverted, prompt)["input_ids"][0].tolist() == ids
    cond = inverted.encode_prompt(prompt, "cpu", 1, False)[0][0]
    own = torch.from_numpy(encode(inverted, prompt).contextual)
    torch.testing.assert_close(own, cond, rtol=0, atol=1e-5)


def test_two_of_several_vectors_side_by_side_are_two_words(inverted):
    table = tokens(inverted, "<cat> <cat>")
    assert words.positions(table, "<cat>", 1) == [4, 5, 6]
    assert [label for label, _ in words.labelled(table)] == ["<cat>", "<cat> (2)"]


def test_captions_share_what_the_network_sees(inverted):
    shared = shared_tokens(Model(inverted, "small"), "a <cat> red car", "a <cat> blue car")
    assert [(a, b) for a, b in shared if a < 8] == [(i, i) for i in range(8) if i != 5]


def test_inversions_in_runs_and_traces(inverted):
    record = sdlab.Record(tensors=(), attention=sdlab.AttentionRecord())
    spec = sdlab.Experiment(prompt="a <cat> red car", num_steps=1, model="small", record=record)
    run = sdlab.run(Model(inverted, "small"), spec)
    with sdlab.trace(inverted) as traced:
        inverted("a <cat> red car", num_inference_steps=1, output_type="latent")
    for maps in (run.trace.attention, traced.maps()):
        assert maps.words == ["a", "<cat>", "red", "car"]
        assert maps.positions("<cat>") == [2, 3, 4] and maps.positions("<cat> red") == [2, 3, 4, 5]


NFC, NFD = "NFC", "NFD"


@pytest.mark.parametrize("prompt", [NFC, NFD])
@pytest.mark.parametrize("asked", [NFC, NFD])
@pytest.mark.parametrize("word", ["Café", "İstanbul", "i̇stanbul", "Å", "Việt", "Ünïted"])
def test_how_accents_are_typed_does_not_matter(embedded, word, asked, prompt):
    text = unicodedata.normalize(prompt, f"a {word}, red car")
    table = tokens(embedded, text)
    places = words.positions(table, unicodedata.normalize(asked, word))
    comma = int(table.loc[table["text"] == ",", "position"].iloc[0])
    assert places == list(range(2, comma))
    assert words.positions(table, unicodedata.normalize(asked, f"{word}, RED"))[-1] == comma + 1


def test_an_accent_that_composes_with_nothing_stays_with_its_letter(embedded):
    assert words.listed(tokens(embedded, "a q\u0303 red")) == ["a", "q\u0303", "red"]


@pytest.mark.parametrize(
    ("prompt", "asked"), [("it’s red", "it's"), ("it's red", "it’s"), ("a ﬁsh", "fish")]
)
def test_other_shapes_are_found_where_the_very_word_is_not(embedded, prompt, asked):
    assert words.positions(tokens(embedded, prompt), asked)


def test_the_very_word_comes_before_other_shapes(embedded):
    table = tokens(embedded, "it's it’s")
    assert words.positions(table, "it's") == [1, 2]
    assert words.positions(table, "it’s") == [3, 4, 5, 6]


def test_the_known_words_are_known_however_they_are_typed(embedded):
    table = tokens(embedded, "A RED car")
    assert not unseen(table).any()
