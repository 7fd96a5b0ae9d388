"""Real tokenizer classes with small vocabularies, made here of a few sentences.

Each knows any text: what the sentences lack falls back on letters or bytes. Only T5, whose Unigram
model knows no bytes, has an unknown token for what is not Latin, as the real one has. All ids are
below ``SIZE``, so that a tiny text encoder takes ``vocab_size=SIZE``.
"""

import json
from functools import cache

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import GemmaTokenizer, LlamaTokenizer, Qwen2Tokenizer, T5Tokenizer

SIZE = 1000
SENTENCES = (
    "a photo of a red car on a beach at sunset",
    "an astronaut riding a horse, oil painting, highly detailed",
    "a parrot and a blue cat sit on a green bench",
    "the quick brown fox jumps over the lazy dog",
    "describe the picture by its colour, shape, size, texture and background",
)
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def t5(length=512):
    """T5's: Unigram, "▁" before each word, "</s>" (1) at the end, pads 0, "<unk>" 2."""
    words = sorted({f"▁{word}" for text in SENTENCES for word in text.replace(",", "").split()})
    letters = [chr(code) for code in (*range(33, 127), *range(0xA1, 0x180))]
    scores = [(name, 0.0) for name in ("<pad>", "</s>", "<unk>")]
    scores += [(word, -5.0) for word in words] + [("▁", -4.0)]
    scores += [(letter, -10.0) for letter in letters]
    scores += [(f"<extra_id_{number}>", 0.0) for number in reversed(range(4))]
    return T5Tokenizer(vocab=scores, extra_ids=4, model_max_length=length, padding_side="right")


def qwen2(length=2048):
    """Qwen2's: bytes as letters, "Ġ" before a word, no start and no end; a chat template."""
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    vocabulary, merges = _pieces(special, "bytes")
    return Qwen2Tokenizer(
        vocab=vocabulary,
        merges=merges,
        eos_token="<|im_end|>",
        extra_special_tokens=list(special[1:]),
        model_max_length=length,
        padding_side="right",
        chat_template=CHAT,
    )


def gemma(length=2048):
    """Gemma's: "▁" for spaces, bytes such as <0xF0> for rare letters; starts with "<bos>" (2)."""
    vocabulary, merges = _pieces(("<pad>", "<eos>", "<bos>", "<unk>", "<mask>"), "spaces")
    return GemmaTokenizer(
        vocab=vocabulary,
        merges=merges,
        add_bos_token=True,
        model_max_length=length,
        padding_side="right",
        chat_template=CHAT,
    )


def llama(length=2048):
    """Llama's: as Gemma's, with "▁" before the first word too; starts with "<s>" (1)."""
    vocabulary, merges = _pieces(("<unk>", "<s>", "</s>", "<pad>"), "spaces")
    return LlamaTokenizer(
        vocab=vocabulary,
        merges=merges,
        pad_token="<pad>",
        add_bos_token=True,
        model_max_length=length,
        padding_side="right",
        chat_template=CHAT,
    )


@cache
def _pieces(special, kind):
    """Return the vocabulary and the merges of byte-pair encoding trained on the sentences."""
    letters = pre_tokenizers.ByteLevel.alphabet() if kind == "bytes" else []
    own = [] if kind == "bytes" else [f"<0x{byte:02X}>" for byte in range(256)]
    model = Tokenizer(models.BPE())
    if kind == "bytes":
        model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        model.normalizer = normalizers.Replace(" ", "▁")
        model.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="never")
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=[*special, *own],
        initial_alphabet=letters,
        show_progress=False,
    )
    model.train_from_iterator(SENTENCES, trainer)
    state = json.loads(model.to_str())["model"]
    return state["vocab"], [tuple(pair) for pair in state["merges"]]
