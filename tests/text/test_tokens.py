import pytest

import sdlab
from sdlab.tracing.columns import TOKENS


def test_known_sentence(embedded):
    table = sdlab.tokens(embedded, "a photo of a cat")
    assert table["id"].tolist()[:7] == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert list(table.columns) == [c for c in TOKENS if c not in ("run", "prompt")]
    assert len(table) == 77
    assert table["kind"].value_counts().to_dict() == {"pad": 70, "word": 5, "start": 1, "end": 1}
    assert table["mask"].sum() == 7


@pytest.mark.parametrize(
    "prompt", ["", "a parrot", "an astronaut, riding!", "ein Größenwahn", "🦜"]
)
def test_ids_are_the_tokenizers_own(embedded, prompt):
    tokenizer = embedded.pipeline.tokenizer
    expected = tokenizer(prompt, padding="max_length", max_length=77, truncation=True)
    table = sdlab.tokens(tokenizer, prompt)
    assert table["id"].tolist() == expected["input_ids"]
    assert table["mask"].tolist() == expected["attention_mask"]


def test_pieces_are_joined_to_their_word(embedded):
    table = sdlab.tokens(embedded, "a xylophonist, Sings").query("kind == 'word'")
    pieces = table[table["word"] == "xylophonist"]
    assert len(pieces) > 1
    assert pieces["word_index"].nunique() == 1
    assert table["word"].drop_duplicates().tolist() == ["a", "xylophonist", ",", "Sings"]


def test_special_tokens_typed_by_hand_are_words_of_their_own(embedded):
    table = sdlab.tokens(embedded, "dog<|endoftext|>cat").query("kind == 'word'")
    assert table["word"].tolist() == ["dog", "<|endoftext|>", "cat"]


def test_what_is_cut_is_shown(embedded):
    table = sdlab.tokens(embedded, "parrot " * 80)
    cut = table[table["cut"]]
    assert len(cut) == 5
    assert cut["position"].tolist() == [77, 78, 79, 80, 81]
    assert (cut["mask"] == 0).all()
    assert table.loc[76, "kind"] == "end"
    assert len(table[table["kind"] == "word"]) == 80


def test_long_prompts_run(small):
    experiment = sdlab.Experiment(prompt="parrot " * 80, num_steps=1, model="small")
    run = sdlab.run(small, experiment)
    assert run.tokens["cut"].sum() == 5
    assert set(run.tokens["prompt"]) == {"prompt", "negative"}
