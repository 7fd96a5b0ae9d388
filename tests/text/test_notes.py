"""What a prompt holds that is cut, not parsed or never seen in training is told."""

import pytest

import sdlab
from sdlab.text.notes import cut_off, ignored_negative, prompt_notes, unparsed, unseen
from tests.text.conftest import tokenizer


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a (red:1.2) cat", "weights"),
        ("a (red hat: 0.5) cat", "weights"),
        ("[cat:dog:0.5]", "weights"),
        ("a ((cat))", "emphasis such as ((word))"),
        ("a cat++", "emphasis such as word++"),
        ("a cat-- and", "emphasis such as word++"),
        ("a cat <lora:fur:0.8>", "<lora:"),
        ("a cat BREAK a dog", "BREAK"),
        ("a {{cat}}", "emphasis such as ((word))"),
        ("a [[cat]] here", "emphasis such as ((word))"),
        ("a (cat)++", "(two words)++"),
        ("a (red cat)+ and", "(two words)++"),
        ('a "red cat"-- and', "(two words)++"),
        ("a (cat)-", "(two words)++"),
        ("a [cat|dog]", "[a|b]"),
        ("a cat AND a dog", "AND"),
        ("a {cat|dog}", "{a|b}"),
        ("a {2$$cat|dog|cow}", "{a|b}"),
        ('("a cat", "a dog").and()', ".and()"),
        ('("a cat", "a dog").blend(0.7, 0.3)', ".and()"),
        ('a "cat".swap("dog")', ".and()"),
        ("a __animal__ here", "__animal__"),
        ("a cat, embedding:bad", "<lora:"),
    ],
)
def test_weighting_syntax_is_told_not_parsed(embedded, prompt, found):
    assert any(found in name for name in unparsed(prompt))
    notes = prompt_notes(prompt, sdlab.tokens(embedded, prompt))
    assert len(notes) == 1 and "not parsed" in notes[0]


@pytest.mark.parametrize(
    "prompt",
    [
        *("", "a cat", "a cat (red)", "time 12:30", "x-ray", "take a break", "is fine", "<3"),
        *(
            "rock and roll",
            "(a)-b",
            "a (red) - blue",
            "this | that",
            "well-known",
            "{a}",
            "snake_case",
        ),
        *("it ends.and begins", "a LAND", "[a]", '"a" - b', "a (b)--c"),
    ],
)
def test_plain_text_gets_no_note(embedded, prompt):
    assert prompt_notes(prompt, sdlab.tokens(embedded, prompt)) == []


def test_what_was_cut_is_quoted_from_the_prompt(embedded):
    prompt = "Parrot " * 74 + "a Xylophonist, PLAYING"
    table = sdlab.tokens(embedded, prompt)
    assert cut_off(prompt, table) == "Xylophonist, PLAYING"
    (note,) = prompt_notes(prompt, table)
    assert note.startswith("6 tokens do not fit") and "PLAYING" in note
    assert cut_off("a cat", sdlab.tokens(embedded, "a cat")) == ""


def test_a_typed_pad_is_told():
    table = sdlab.tokens(tokenizer("!"), "wow! cat")
    assert table["id"].tolist()[:5] == [49406, 2781, 0, 2368, 49407]
    assert "pads with" in prompt_notes("wow! cat", table)[0]
    assert prompt_notes("wow! cat", sdlab.tokens(tokenizer(), "wow! cat")) == []


def test_words_that_training_never_saw(embedded):
    table = sdlab.tokens(embedded, "A Parrot, a xylophonist's 🦜 on the beach.")
    marked = table[unseen(table)]["word"].unique().tolist()
    assert marked == ["xylophonist", "'s", "🦜", "."]
    assert not unseen(table)[table["kind"] != "word"].any()


def test_unseen_agrees_with_unknown_words(embedded):
    from sdlab.embedded import unknown_words

    prompt = "a red dragon above two purple castles in the night"
    table = sdlab.tokens(embedded, prompt)
    assert table[unseen(table)]["word"].unique().tolist() == unknown_words(prompt)


@pytest.mark.parametrize(
    "piece", ["((", "[[", "{{", "[|", "{|", "(:", "__a", "(a", "<lora:", "(", "[", "{"]
)
def test_long_rows_of_open_brackets_hold_only_what_is_closed(piece):
    row = piece * 50_000  # a pattern that tries each opening by itself never ends
    assert unparsed(row) == []
    assert prompt_notes(f"{row} ((cat)) BREAK", sdlab.tokens(tokenizer(), "cat")) == [
        "The prompt holds emphasis such as ((word)): not parsed here, read as plain text.",
        "The prompt holds BREAK: not parsed here, read as plain text.",
    ]


def test_a_long_row_of_weighted_ends_is_one_note():
    assert unparsed(")+" * 50_000) == ["emphasis such as (two words)++"]


@pytest.mark.parametrize(("scale", "told"), [(0.0, True), (1.0, True), (1.01, False), (4.0, False)])
def test_a_negative_prompt_without_guidance_is_told(embedded, scale, told):
    asked = sdlab.Experiment(
        prompt="a cat", negative_prompt="a (dog)++", guidance_scale=scale, num_steps=1, width=64,
        height=64, record=sdlab.Record(tensors=(), statistics=False),
    )  # fmt: skip
    warnings = sdlab.run(embedded, asked).manifest["warnings"]
    assert len(warnings) == 1, warnings
    if told:
        assert f"guidance_scale {scale:g} there is none. Set it above 1." in warnings[0]
    else:
        assert "The negative prompt holds emphasis such as (two words)++" in warnings[0]


def test_a_negative_prompt_that_acts_or_is_empty_is_not_told():
    assert ignored_negative(" ", 1.0) == ""
    assert ignored_negative("rain", 4.0, guided=True) == ""
    assert "has its guidance within" in ignored_negative("rain", 4.0, guided=False)
