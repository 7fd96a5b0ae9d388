"""The small tokenizers behave as the real ones of their class."""

import pytest

from tests.zoo import tokenizers

MAKERS = (tokenizers.t5, tokenizers.qwen2, tokenizers.gemma, tokenizers.llama)
TEXT = "a red car, 🦜 Größe don't"


@pytest.mark.parametrize(
    "make", [tokenizers.t5, tokenizers.qwen2, tokenizers.gemma, tokenizers.llama]
)
def test_they_know_any_text_and_load_again(make, tmp_path):
    tokenizer = make()
    ids = tokenizer(TEXT)["input_ids"]
    assert max(tokenizer.get_vocab().values()) < tokenizers.SIZE
    unknown = tokenizer.convert_ids_to_tokens(ids).count("<unk>")
    assert unknown == (1 if make is tokenizers.t5 else 0)
    tokenizer.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    assert again(TEXT)["input_ids"] == ids
    assert again.model_max_length == tokenizer.model_max_length


def test_their_ends_and_pads():
    ids = {
        make.__name__: make()("a cat", padding="max_length", max_length=6)["input_ids"]
        for make in MAKERS
    }
    assert ids["t5"][2:] == [1, 0, 0, 0]
    assert ids["qwen2"][2:] == [0, 0, 0, 0]
    assert ids["gemma"][0] == 2 and ids["gemma"][3:] == [0, 0, 0]
    assert ids["llama"][0] == 1 and ids["llama"][3:] == [3, 3, 3]
