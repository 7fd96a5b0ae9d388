"""Text to token ids: byte-level byte-pair encoding, as CLIP has it.

A text is cleaned and cut into words. A word is its UTF-8 bytes, and the last byte is marked as the
end of the word. Then two neighbours become one piece, again and again: always the pair that stands
first in the list of merges, which was learned by counting pairs. A vocabulary gives each piece a
number:

    "a red fox"  ->  a</w>, red</w>, fox</w>  ->  320, 736, 3240

Ids begin with a start token, end with an end token, and are padded to 77; what is longer is cut.

Reference:
    Sennrich, Haddow, Birch 2016, arXiv 1508.07909, algorithm 1 (the merges); Radford et al. 2019
    (GPT-2, bytes); Radford et al. 2021, arXiv 2103.00020, section 2.4. transformers: CLIPTokenizer.
"""

import functools
import math
import re
import sys
import unicodedata

import torch
from torch import Tensor

Pair = tuple[str, str]
START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77
"""Tokens of a prompt, start and end token among them: the text encoder knows so many places."""

# Merges are written in letters, so each of the 256 bytes has one: itself if it can be seen.
_SEEN = {*range(33, 127), *range(161, 173), *range(174, 256)}
_HIDDEN = [byte for byte in range(256) if byte not in _SEEN]
BYTES = {b: chr(b) for b in _SEEN} | {b: chr(256 + n) for n, b in enumerate(_HIDDEN)}

# Python's \w is letters, numbers and _, and its \s has four control characters too many.
_NUMBERS = "".join(c for c in map(chr, range(sys.maxunicode)) if unicodedata.category(c)[0] == "N")
_SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WORD = rf"'s|'t|'re|'ve|'m|'ll|'d|[^\W_{_NUMBERS}]+|[{_NUMBERS}]|(?:[^\w{_SPACE}]|_)+"
SPACES, WORD = re.compile(f"[{_SPACE}]+"), re.compile(_WORD)
TYPED = re.compile(rf"<\|startoftext\|>|<\|endoftext\|>|{_WORD}")  # as <|STARTOFTEXT|> is typed


class Tokenizer:
    """Gives the ids of prompts.

    Args:
        vocab: The id of each piece.
        merges: Pairs of pieces that become one; the earlier, the sooner.
        pad: The token that fills a prompt up: the end token, or "!" in Stable Diffusion 2.x.
        cleaned: Whether start and end token are looked for in a text that was cleaned, so that
            <|ENDOFTEXT|> is one too, or in the text as it stands: folders differ in that.
    """

    def __init__(self, vocab: dict[str, int], merges: list[Pair], pad: str, cleaned: bool) -> None:
        self.vocab = vocab
        self.rank = {pair: number for number, pair in enumerate(merges)}
        self.pieces = functools.lru_cache(10_000)(self.merged)  # words come again
        self.first, self.later = ({pad}, {START, END}) if cleaned else ({START, END, pad}, set())
        self.start, self.end, self.pad = vocab[START], vocab[END], vocab[pad]

    def __call__(self, prompts: list[str]) -> Tensor:
        """Return the ids of prompts, int64 [B, 77]."""
        rows = [[self.start, *self.ids(text)[: LENGTH - 2], self.end] for text in prompts]
        return torch.tensor([row + [self.pad] * (LENGTH - len(row)) for row in rows])

    def ids(self, text: str) -> list[int]:
        """Return the ids of a text, without start, end and padding."""
        pieces: list[str] = []
        for part in split(text, self.first):
            if part in self.first:
                pieces.append(part)
                continue
            for piece in split(clean(part), self.later):
                words = (word for typed in TYPED.findall(piece) for word in WORD.findall(typed))
                cut = (p for word in words for p in self.pieces(word))
                pieces += [piece] if piece in self.later else cut
        return [self.vocab[piece] for piece in pieces]

    def merged(self, word: str) -> list[str]:
        """Return the pieces of a word: neighbours joined until no pair is in the merges."""
        pieces = [BYTES[byte] for byte in word.encode()]
        pieces[-1] += "</w>"
        while True:
            pairs = set(zip(pieces, pieces[1:], strict=False))
            first = min(pairs, key=lambda pair: self.rank.get(pair, math.inf), default=None)
            if first not in self.rank:
                return pieces
            joined = pieces[:1]
            for piece in pieces[1:]:
                if (joined[-1], piece) == first:
                    joined[-1] += piece
                else:
                    joined.append(piece)
            pieces = joined


def split(text: str, special: set[str]) -> list[str]:
    """Return a text in parts, where each special token is a part of its own."""
    return re.split(f"({'|'.join(map(re.escape, special)) or '(?!)'})", text)


def clean(text: str) -> str:
    """Return a text in normal form, in small letters, with one space where there is any."""
    text = SPACES.sub(" ", unicodedata.normalize("NFC", text))
    return "".join(letter.lower() for letter in text)  # alone: a final sigma is a sigma
