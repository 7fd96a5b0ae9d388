"""How CLIP cuts a prompt into tokens.

Byte-pair encoding over 49,408 entries (Radford et al. 2021, arXiv 2103.00020): a start token, the
pieces, an end token, and pads up to 77. What does not fit between start and end is cut off. SD 1.x
pads with the end token, SD 2.x with "!" (id 0); the mask is 0 on pads either way.

The entries are bytes, shown as letters: a piece of an emoji is not text by itself. A word that a
textual inversion added is one word, however many vectors it has.
"""

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from sdlab.columns import TOKENS
from sdlab.text.parts import tokenizer_of
from sdlab.text.spelling import written_out

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model

LONGEST_WORD = 100


def tokens(source: "Model | Any", prompt: str, part: str | None = None) -> pd.DataFrame:
    """Return the table of a prompt's tokens, the cut ones after position 76.

    Args:
        source: A loaded model, a pipeline, or a CLIP tokenizer.
        prompt: Any text.
        part: Whose tokenizer, where there are two: "text_encoder" or "text_encoder_2".

    Returns:
        The ``tokens`` table of ``sdlab.columns`` without ``run`` and ``prompt``, and:
        ``text``, the piece in plain letters (its bytes in hex if it is only part of a letter);
        ``first`` and ``last``, the characters of the prompt that the piece was made from, last
        excluded, missing for special tokens. A ``word`` of more than ``LONGEST_WORD`` characters
        ends in an ellipsis there: each of its pieces repeats it.
    """
    tokenizer = tokenizer_of(source, part)
    pieces, offsets = _encode(tokenizer, prompt)
    limit = tokenizer.model_max_length
    room = limit - 2
    rows: list[tuple[Any, ...]] = [(tokenizer.bos_token_id, "start", None, False)]
    words, index = _words(tokenizer, pieces, offsets)
    rows += [(pieces[i], "word", i, False) for i in range(min(room, len(pieces)))]
    rows.append((tokenizer.eos_token_id, "end", None, False))
    rows += [(tokenizer.pad_token_id, "pad", None, False)] * (limit - len(rows))
    rows += [(pieces[i], "word", i, True) for i in range(room, len(pieces))]
    texts = [_word(prompt[offsets[word[0]][0] : offsets[word[-1]][1]]) for word in words]
    names = tokenizer.convert_ids_to_tokens([row[0] for row in rows])
    numbers = [row[2] for row in rows]
    return pd.DataFrame(
        {
            "position": range(len(rows)),
            "id": [row[0] for row in rows],
            "piece": names,
            "text": [piece_text(name) for name in names],
            "word": ["" if i is None else texts[index[i]] for i in numbers],
            "word_index": _whole([None if i is None else index[i] for i in numbers]),
            "kind": [row[1] for row in rows],
            "mask": [int(row[1] != "pad" and not row[3]) for row in rows],
            "cut": [row[3] for row in rows],
            "first": _whole([None if i is None else offsets[i][0] for i in numbers]),
            "last": _whole([None if i is None else offsets[i][1] for i in numbers]),
        }
    )


def token_tensors(
    source: "Model | Any", prompt: str, part: str | None = None
) -> "dict[str, Tensor]":
    """Return ``input_ids`` and ``attention_mask`` as the pipeline makes them, int64 [1, 77].

    Args:
        source: A loaded model, a pipeline, or a CLIP tokenizer.
        prompt: Any text.
        part: Whose tokenizer, where there are two.
    """
    tokenizer = tokenizer_of(source, part)
    encoded = tokenizer(
        written_out(tokenizer, prompt)[0],
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def run_tokens(tokenizer: Any, experiment: "Experiment") -> pd.DataFrame:
    """Return the ``tokens`` table of an experiment: prompt, then negative prompt."""
    frames = []
    for which, text in (("prompt", experiment.prompt), ("negative", experiment.negative_prompt)):
        frame = tokens(tokenizer, text)
        frame.insert(0, "run", experiment.id)
        frame.insert(1, "prompt", which)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)[list(TOKENS)]


def unique_tokens(table: pd.DataFrame) -> pd.DataFrame:
    """Return each token of a ``tokens`` table once, in order, with how often it is there.

    Args:
        table: As ``tokens`` gives it; what was cut is not counted, so the counts add up to 77.

    Returns:
        Columns ``id``, ``piece``, ``text``, ``count`` and ``kinds``: in SD 1.x the end token is
        also the pad, so that its kinds are "end, pad".
    """
    kept = table[~table["cut"]]
    groups = kept.groupby("id", sort=False)
    return groups.agg(
        piece=("piece", "first"),
        text=("text", "first"),
        count=("id", "size"),
        kinds=("kind", lambda kinds: ", ".join(dict.fromkeys(kinds))),
    ).reset_index()


def labels(table: pd.DataFrame) -> list[str]:
    """Return a short name for each position that the encoder sees: "0 start", "2 photo".

    A piece that is only part of a letter goes by its word.
    """
    kept = table[~table["cut"]]
    whole = kept["piece"].map(lambda piece: _decoded(piece) is not None)
    texts = kept["piece"].map(piece_text)
    names = texts.where(whole, kept["word"]).where(kept["kind"] == "word", kept["kind"])
    return [f"{p} {name}" for p, name in zip(kept["position"], names, strict=True)]


def piece_text(piece: str) -> str:
    """Return a vocabulary entry in plain letters, or its bytes in hex where they are no letters."""
    text = _decoded(piece)
    return _bytes(piece).hex(" ").upper() if text is None else text


def _decoded(piece: str) -> str | None:
    data = _bytes(piece)
    if not data:
        return piece  # a special or an added token
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() and not unicodedata.combining(text[0]) else None


def _bytes(piece: str) -> bytes:
    """Return the bytes of an entry; none for a special or an added token."""
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


def _encode(tokenizer: Any, prompt: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the ids of all pieces, uncut, and their character offsets.

    Accents that the prompt has as letters of their own (decomposed Unicode) are left out of the
    tokenizer's offsets; they belong to the letter before them.
    """
    text, spans = written_out(tokenizer, prompt)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    end = list(range(len(prompt) + 1))  # where the accents after each place end
    for place in reversed(range(len(prompt))):
        if unicodedata.combining(prompt[place]):
            end[place] = end[place + 1]
    offsets = []
    for first, last in encoded["offset_mapping"]:
        if spans is not None and last > first:
            first, last = spans[first][0], spans[last - 1][1]
        offsets.append((first, end[last]))
    return list(encoded["input_ids"]), offsets


def _word(text: str) -> str:
    return text if len(text) <= LONGEST_WORD else f"{text[: LONGEST_WORD - 1]}\u2026"


def _words(
    tokenizer: Any, pieces: list[int], offsets: list[tuple[int, int]]
) -> tuple[list[list[int]], list[int]]:
    """Group pieces into words; return the groups and each piece's group.

    A word ends at '</w>'; what was added to the vocabulary is a word by itself; and pieces of one
    letter, or of one added word, are never parted.
    """
    names, apart = tokenizer.convert_ids_to_tokens(pieces), set(tokenizer.added_tokens_decoder)
    groups: list[list[int]] = []
    index: list[int] = []
    ended = True
    for i, name in enumerate(names):
        same = i > 0 and offsets[i][0] < offsets[i - 1][1]
        if not same and (ended or pieces[i] in apart):
            groups.append([])
        groups[-1].append(i)
        index.append(len(groups) - 1)
        ended = name.endswith("</w>") or pieces[i] in apart
    return groups, index


def _whole(numbers: list[int | None]) -> Any:
    return pd.array(numbers, dtype="Int64")
