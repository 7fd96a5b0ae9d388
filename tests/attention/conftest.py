"""Maps made by hand, for the words of one prompt."""

import pytest

from sdlab.shipped import FOLDER as EMBEDDED
from sdlab.text.tokens import tokens
from tests.attention.made_by_hand import PROMPT, make


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(EMBEDDED / "tokenizer")


@pytest.fixture(scope="module")
def text(tokenizer):
    return tokens(tokenizer, PROMPT)


@pytest.fixture(scope="module")
def maps(text):
    return make(text)
