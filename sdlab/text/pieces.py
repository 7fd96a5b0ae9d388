"""Vocabulary entries in plain letters, and which pieces of a prompt make a word.

Tokenizers write an entry in three ways. Byte level (CLIP, Qwen2): bytes, shown as letters by
GPT-2's table, CLIP closing a word with ``</w>`` and others opening it with a space, ``Ġ``.
SentencePiece (T5, Gemma, Llama): letters, with ``▁`` for the space before a word and ``<0xF0>`` for
a byte of a letter that the vocabulary lacks. WordPiece (BERT): letters, ``##`` within a word.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

SPACE = "\u2423"  # shown for a piece that is only a space
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_CONTRACTION = re.compile(r"'(?:s|t|re|ve|m|ll|d)(?!\w)", re.IGNORECASE)
Span = tuple[int, int]


def in_bytes(pieces: Iterable[str]) -> bool:
    """Return whether a tokenizer that gave these entries writes bytes, not letters."""
    return not any(p.startswith("##") or "\u2581" in p or _BYTE.fullmatch(p) for p in pieces)


def writes_bytes(tokenizer: Any) -> bool:
    """Return whether a tokenizer's entries are bytes shown as letters, as CLIP's are."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    parts = [getattr(backend, name, None) for name in ("pre_tokenizer", "decoder")]
    return backend is None or any("ByteLevel" in repr(part) for part in parts)


def piece_text(piece: str, bytes_: bool = True) -> str:
    """Return a vocabulary entry in plain letters, or its bytes in hex where they are no letters.

    Args:
        piece: The entry.
        bytes_: Whether its tokenizer writes bytes, see ``writes_bytes``.
    """
    text = whole(piece, bytes_)
    return _bytes(piece, bytes_).hex(" ").upper() if text is None else text


def whole(piece: str, bytes_: bool = True) -> str | None:
    """Return a vocabulary entry in plain letters; None if it is only a part of a letter."""
    data = _bytes(piece, bytes_)
    if not data:
        return piece if bytes_ else piece.lstrip("\u2581").removeprefix("##") or SPACE
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    text = text.lstrip(" ") or SPACE
    return text if text.isprintable() and not unicodedata.combining(text[0]) else None


def _bytes(piece: str, bytes_: bool) -> bytes:
    """Return the bytes of an entry; none for letters and for a special or an added token."""
    if not bytes_:
        one = _BYTE.fullmatch(piece)
        return bytes([int(one[1], 16)]) if one else b""
    body, known = piece.removesuffix("</w>"), _letters()
    if body.startswith("<|") or any(letter not in known for letter in body):
        return b""
    return bytes(known[letter] for letter in body)


@lru_cache(maxsize=1)
def _letters() -> dict[str, int]:
    """Return the byte behind each letter of byte-level encoding (GPT-2's table).

    Printable bytes stand for themselves, the others for the letters from 256 on, in order.
    """
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {chr(byte): byte for byte in plain}
    return table | {chr(256 + i): byte for i, byte in enumerate(others)}


def words_of(
    tokenizer: Any, pieces: Sequence[int], offsets: Sequence[Span], prompt: str
) -> tuple[list[list[int]], list[int]]:
    """Group pieces into words; return the groups and each piece's group.

    CLIP ends a word with ``</w>``. With any other tokenizer a word is what CLIP would take for one
    (letters, a digit, other signs), so that a prompt has the same words in all of them; where a
    piece holds several, they are one. What was added to the vocabulary is a word by itself; and
    pieces of one letter, or of one added word, are never parted.

    Args:
        tokenizer: It cut the prompt.
        pieces: Ids, specials left out.
        offsets: (first, last) of the prompt behind each, last excluded.
        prompt: The text.
    """
    names, apart = tokenizer.convert_ids_to_tokens(pieces), set(tokenizer.added_tokens_decoder)
    closes = any(name.endswith("</w>") for name in names)
    starts = None if closes else _starts(offsets, prompt)
    groups: list[list[int]] = []
    index: list[int] = []
    ended = True
    for i, name in enumerate(names):
        same = i > 0 and offsets[i][0] < offsets[i - 1][1]
        fresh = ended or pieces[i] in apart if starts is None else starts[i]
        if i == 0 or (fresh and not same):
            groups.append([])
        groups[-1].append(i)
        index.append(len(groups) - 1)
        ended = name.endswith("</w>") or pieces[i] in apart
    return groups, index


def _starts(offsets: Sequence[Span], prompt: str) -> list[bool]:
    """Return for each piece whether a word of the prompt starts in it, spaces before it or not.

    A piece that is only spaces belongs to the word that follows.
    """
    word = word_numbers(prompt)
    out: list[bool] = []
    before, held = -1, False
    for first, last in offsets:
        inside = [word[place] for place in range(first, last) if word[place] >= 0]
        if not inside:
            out.append(not held)
            held = True
            continue
        out.append(not held and inside[0] != before)
        before, held = inside[-1], False
    return out


def word_numbers(prompt: str) -> list[int]:
    """Return for each letter of a prompt the number of its word, -1 for a space.

    A word is a run of letters with their accents, one digit, or a run of other signs, and endings
    such as 't and 're are words, as CLIP has it.
    """
    numbers: list[int] = []
    count, before, until = -1, "", 0
    for place, letter in enumerate(prompt):
        if place < until:
            numbers.append(count)
            continue
        kind = _kind(letter, before)
        ending = _CONTRACTION.match(prompt, place) if letter == "'" else None
        if ending is not None:
            kind, until = "ending", ending.end()
        if kind and (kind != before or kind in ("digit", "ending")):
            count += 1
        numbers.append(count if kind else -1)
        before = kind
    return numbers


def _kind(letter: str, before: str) -> str:
    if letter.isspace():
        return ""
    category = unicodedata.category(letter)
    if category.startswith("M"):
        return before or "letter"
    return {"L": "letter", "N": "digit"}.get(category[0], "sign")
