"""The words of the world and their CLIP tokens: a compact vocabulary in training, CLIP's own after.

Words that are set off by spaces are tokenised one by one in CLIP's byte pair encoding, so a
caption's tokens are its words' tokens in a row, and which token belongs to which word is known
without offsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from transformers import CLIPTokenizer

from sdlab.embedded.captions import COUNTS, OPENINGS, PLAIN_TEMPLATES, Word
from sdlab.embedded.catalogue import BACKGROUNDS, DRAWN, GLYPHS, RELATIONS, SIZES, TINTS

LENGTH = 77


def world_words(objects: Sequence[str]) -> list[str]:
    """Return every word that a caption about these objects can hold, sorted."""
    phrases = [*OPENINGS, *PLAIN_TEMPLATES, *RELATIONS.values(), *DRAWN.values(), *COUNTS.values()]
    words = {word for phrase in phrases for word in phrase.split() if word != "{}"}
    words |= {"a", "an", "and", ",", *BACKGROUNDS, *TINTS, *SIZES} - {"medium"}
    words |= {w for glyph in GLYPHS if glyph.name in objects for w in (glyph.name, glyph.plural)}
    return sorted(words)


class Vocabulary:
    """Encodes captions into compact ids; the last two ids are the start and the end token."""

    def __init__(self, tokenizer: CLIPTokenizer, objects: Sequence[str]) -> None:
        """Tokenise every word of the world once."""
        self.pieces = {w: tokenizer(w).input_ids[1:-1] for w in world_words(objects)}
        inner = sorted({piece for pieces in self.pieces.values() for piece in pieces})
        self.clip_ids = [*inner, tokenizer.bos_token_id, tokenizer.eos_token_id]
        self._compact = {clip_id: index for index, clip_id in enumerate(self.clip_ids)}

    def __len__(self) -> int:
        """Return the number of compact ids."""
        return len(self.clip_ids)

    @cached_property
    def empty(self) -> torch.Tensor:
        """Compact ids of the empty prompt, int64 [77]."""
        return self.encode([])[0]

    def encode(self, words: Sequence[Word]) -> tuple[torch.Tensor, list[tuple[int, ...]]]:
        """Return a caption's compact ids, int64 [77], and the token positions of each word."""
        start, end = len(self) - 2, len(self) - 1
        ids, places = [start], []
        for word in words:
            pieces = [self._compact[piece] for piece in self.pieces[word.text]]
            places.append(tuple(range(len(ids), len(ids) + len(pieces))))
            ids += pieces
        ids = ids[: LENGTH - 1] + [end] * (LENGTH - min(len(ids), LENGTH - 1))
        return torch.tensor(ids), places
