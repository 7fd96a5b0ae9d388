"""The table of tokens is the tokenizer's own, and joins its pieces into the right words."""

import pytest

import sdlab
from sdlab.columns import TOKENS
from sdlab.text.tokens import LONGEST_WORD, labels, piece_text, token_tensors, unique_tokens
from tests.conftest import own_tokenizer
from tests.text.conftest import tokenizer

PROMPTS = (
    "",
    "a parrot",
    "an astronaut, riding!",
    "ein Größenwahn",
    "🦜",
    "👩‍👩‍👧 日本語 İstanbul",
    "e\u0301te\u0301",
    "don't  STOP\n\tnow 1234 blue-eyed",
    "parrot " * 75,
    "parrot " * 76,
    "a (cat:1.2) <|endoftext|> dog",
    "wow! !! cat!",
)


def pieces(table):
    return table[table["kind"] == "word"]


def test_known_sentence(embedded):
    table = sdlab.tokens(embedded, "a photo of a cat")
    assert table["id"].tolist()[:7] == [49406, 320, 1125, 539, 320, 2368, 49407]
    stored = [c for c in TOKENS if c not in ("run", "prompt")]
    assert [c for c in table.columns if c in stored] == stored
    assert len(table) == 77
    assert table["kind"].value_counts().to_dict() == {"pad": 70, "word": 5, "start": 1, "end": 1}
    assert table["mask"].sum() == 7
    assert pieces(table)["text"].tolist() == ["a", "photo", "of", "a", "cat"]
    assert labels(table)[:8] == [
        "0 start", "1 a", "2 photo", "3 of", "4 a", "5 cat", "6 end", "7 pad",
    ]  # fmt: skip


@pytest.mark.parametrize("pad", ["<|endoftext|>", "!"])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_ids_and_mask_are_the_tokenizers_own(prompt, pad):
    source = tokenizer(pad)
    expected = source(prompt, padding="max_length", max_length=77, truncation=True)
    table = sdlab.tokens(source, prompt)
    seen = table[~table["cut"]]
    assert seen["id"].tolist() == expected["input_ids"]
    assert seen["mask"].tolist() == expected["attention_mask"]
    tensors = token_tensors(source, prompt)
    assert tensors["input_ids"].tolist() == [expected["input_ids"]]
    assert tensors["attention_mask"].tolist() == [expected["attention_mask"]]
    assert tensors["input_ids"].shape == (1, 77)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_piece_knows_its_letters(embedded, prompt):
    table = pieces(sdlab.tokens(embedded, prompt))
    for row in table.itertuples():
        assert 0 <= row.first < row.last <= len(prompt)
        assert prompt[row.first : row.last] in row.word
        assert row.word == row.word.strip() != ""


def test_pieces_are_joined_to_their_word(embedded):
    table = pieces(sdlab.tokens(embedded, "a xylophonist, Sings"))
    parts = table[table["word"] == "xylophonist"]
    assert len(parts) > 1
    assert parts["word_index"].nunique() == 1
    assert table["word"].drop_duplicates().tolist() == ["a", "xylophonist", ",", "Sings"]
    assert "".join(parts["text"]) == "xylophonist"


def test_special_tokens_typed_by_hand_are_words_of_their_own(embedded):
    table = pieces(sdlab.tokens(embedded, "dog<|endoftext|>cat"))
    assert table["word"].tolist() == ["dog", "<|endoftext|>", "cat"]


def test_emoji_are_bytes_and_belong_to_one_word(embedded):
    table = pieces(sdlab.tokens(embedded, "🦜 parrot"))
    assert table["id"].tolist() == [6040, 506, 23565]
    assert table["text"].tolist() == ["F0 9F A6", "9C", "parrot"]
    assert bytes.fromhex("".join(table["text"][:2])).decode() == "🦜"
    assert table["word"].tolist() == ["🦜", "🦜", "parrot"]
    assert labels(sdlab.tokens(embedded, "🦜"))[1:3] == ["1 🦜", "2 🦜"]


def test_accents_typed_as_letters_of_their_own_stay_with_their_word(embedded):
    apart = sdlab.tokens(embedded, "e\u0301te\u0301 bleu")
    whole = sdlab.tokens(embedded, "\u00e9t\u00e9 bleu")
    assert apart["id"].tolist() == whole["id"].tolist()
    assert pieces(apart)["word"].unique().tolist() == ["e\u0301te\u0301", "bleu"]
    assert pieces(whole)["text"].tolist() == ["é", "té", "bleu"]


def test_digits_punctuation_and_apostrophes_are_cut_as_clip_does(embedded):
    table = pieces(sdlab.tokens(embedded, "Don't 1234 blue-eyed"))
    assert table["text"].tolist() == ["don", "'t", "1", "2", "3", "4", "blue", "-", "eyed"]


@pytest.mark.parametrize(("pad", "expected"), [("<|endoftext|>", 49407), ("!", 0)])
def test_sd1_pads_with_the_end_token_sd2_with_an_exclamation_mark(pad, expected):
    table = sdlab.tokens(tokenizer(pad), "a cat")
    assert set(table.loc[table["kind"] == "pad", "id"]) == {expected}
    assert table.loc[table["kind"] == "end", "id"].tolist() == [49407]


def test_sdxl_has_two_tokenizers(sdxl):
    first, second = (sdlab.tokens(sdxl, "a cat", part) for part in (None, "text_encoder_2"))
    assert first["id"].tolist()[:4] == second["id"].tolist()[:4] == [49406, 320, 2368, 49407]
    assert (first["id"].iloc[-1], second["id"].iloc[-1]) == (49407, 0)
    assert first["mask"].tolist() == second["mask"].tolist()
    with pytest.raises(ValueError, match="Unknown text encoder 'tokenizer_2'.*text_encoder_2"):
        sdlab.tokens(sdxl, "a cat", "tokenizer_2")


def test_unique_tokens_are_counted(embedded):
    table = sdlab.tokens(embedded, "a red cat and a blue cat")
    unique = unique_tokens(table)
    assert unique["count"].sum() == 77 and unique["id"].is_unique
    by_text = unique.set_index("text")
    assert by_text.loc["a", "count"] == by_text.loc["cat", "count"] == 2
    assert by_text.loc["<|endoftext|>", ["count", "kinds"]].tolist() == [69, "end, pad"]
    assert unique_tokens(sdlab.tokens(tokenizer("!"), "a"))["kinds"].tolist() == [
        "start", "word", "end", "pad",
    ]  # fmt: skip


def test_what_is_cut_is_not_counted(embedded):
    unique = unique_tokens(sdlab.tokens(embedded, "parrot " * 80))
    assert unique.set_index("text").loc["parrot", "count"] == 75


def test_what_is_cut_is_shown(embedded):
    table = sdlab.tokens(embedded, "parrot " * 80)
    cut = table[table["cut"]]
    assert len(cut) == 5
    assert cut["position"].tolist() == [77, 78, 79, 80, 81]
    assert (cut["mask"] == 0).all()
    assert table.loc[76, "kind"] == "end"
    assert len(table[table["kind"] == "word"]) == 80
    assert len(labels(table)) == 77


@pytest.mark.parametrize(("words", "cut"), [(74, 0), (75, 0), (76, 1)])
def test_75_pieces_fit(embedded, words, cut):
    assert sdlab.tokens(embedded, "parrot " * words)["cut"].sum() == cut


def test_long_prompts_run(small):
    experiment = sdlab.Experiment(prompt="parrot " * 80, num_steps=1, model="small")
    run = sdlab.run(small, experiment)
    assert run.tokens["cut"].sum() == 5
    assert set(run.tokens["prompt"]) == {"prompt", "negative"}
    assert list(run.tokens.columns) == list(TOKENS)


def test_each_entry_of_the_vocabulary_has_a_text(embedded):
    vocabulary = embedded.pipeline.tokenizer.get_vocab()
    texts = {piece: piece_text(piece) for piece in vocabulary}
    assert len(texts) == 49408 and all(texts.values())
    assert all(text.isprintable() for text in texts.values())


def test_a_tokenizer_without_a_limit_is_refused():
    endless = own_tokenizer()
    endless.model_max_length = int(1e30)
    with pytest.raises(ValueError, match="model_max_length must be at most 1000.*CLIP's is 77"):
        sdlab.tokens(endless, "a cat")


@pytest.mark.parametrize("unit", ["\U0001f600", "a\u0301", "\u0301", "x", "\u732b"])
def test_the_table_grows_with_the_prompt_not_with_its_square(embedded, unit):
    def size(count):
        table = sdlab.tokens(embedded, "a" + unit * count)
        assert table["word"].str.len().max() <= LONGEST_WORD
        assert table["last"].max() <= 1 + count * len(unit)
        return table["word"].str.len().sum() + len(table)

    assert size(4000) < 2.5 * size(2000)  # what a square would make 4


def test_accents_end_the_letter_before_them(embedded):
    table = sdlab.tokens(embedded, "e\u0301\u0301 x").query("kind == 'word'")
    assert table["last"].tolist()[-2:] == [3, 5]


def test_what_is_no_text_is_refused_in_words(embedded):
    for read in (sdlab.tokens, token_tensors):
        with pytest.raises(ValueError, match="half of a surrogate pair at position 2"):
            read(embedded, "a \udce7")
