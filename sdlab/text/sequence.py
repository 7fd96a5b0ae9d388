"""The tokens of the text that a network reads, position by position.

A text encoder's sequence is not always the network's. SDXL joins two along the width, Stable
Diffusion 3 puts T5's behind CLIP's, Flux drops CLIP's, Qwen-Image drops its template. Nothing is
assumed: a row of the network's text is a position of an encoder's if it holds the very numbers that
the encoder answered there.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from sdlab.text.pipeline_tokens import PromptText
from sdlab.text.reading import SAMPLE

if TYPE_CHECKING:
    from torch import Tensor

Place = tuple[PromptText, int]  # whose table, and the position in it


def text_sequence(
    texts: Sequence[PromptText],
    network_text: "Tensor",
    negative: bool = False,
    beside: bool = False,
) -> pd.DataFrame:
    """Return the tokens of the text that a network reads, a row for each of its positions.

    Args:
        texts: The run's prompts, see ``prompt_texts``.
        network_text: What the network was given of one half, [L, D]: ``encoder_hidden_states``.
        negative: Whether it is the half of the negative prompt.
        beside: Whether to return those of another prompt that shares its positions, side by side
            with the first, as Stable Diffusion 3's ``prompt_2`` does; no words if there is none.

    Returns:
        As ``sdlab.tokens``, what was cut after the last position, and ``tokenizer``. A word that
        two tokenizers read of one prompt has one ``word_index``. Positions that hold no encoder's
        numbers have kind "pad" where they are all zeros, and "unknown" elsewhere.
    """
    half = [text for text in texts if text.negative == negative]
    places = _matched(half, network_text)
    if all(text.reading is None for text in half):
        places = _by_length(half, len(network_text))
    if beside:
        given = {place[0].prompt for place in places if place is not None}
        others = [text for text in half if text.prompt not in given]
        places = _matched(others, network_text, _starts(half))
    zeros = (network_text == 0).all(dim=-1).tolist()
    numbers = _word_numbers(half)
    cut = _cut(places, network_text)
    zeros += [False] * len(cut)
    rows = []
    for position, (place, zero) in enumerate(zip([*places, *cut], zeros, strict=True)):
        row = dict(_NOTHING, kind="pad" if zero else "unknown", mask=int(not zero))
        if place is not None:
            text, at = place
            row |= {str(name): cell for name, cell in text.table.iloc[at].items()}
            row["tokenizer"] = text.tokenizer
            row["word_index"] = numbers.get((text.tokenizer, row["word_index"]), pd.NA)
        if position >= len(network_text):
            row |= {"cut": True, "mask": 0}
        rows.append({**row, "position": position})
    table = pd.DataFrame(rows)
    return table.astype({name: "Int64" for name in ("word_index", "first", "last")})


def segments(texts: Sequence[PromptText], network_text: "Tensor") -> pd.DataFrame:
    """Return which positions of the network's text are whose.

    Args:
        texts: A prompt as each tokenizer cuts it, see ``prompt_texts``.
        network_text: What the network is given of it, [L, D].

    Returns:
        ``tokenizer``, ``first`` and ``last`` (excluded) of the network's positions, and ``own``,
        the tokenizer's own position of the first: a row for each run without a gap. Two
        tokenizers have the same positions where their vectors stand side by side.
    """
    rows: list[list[Any]] = []
    starts = _starts(texts)
    for text in texts:
        before = None
        for position, place in enumerate(_matched([text], network_text, starts)):
            own = None if place is None else place[1]
            if own is not None and before is not None and own == before + 1:
                rows[-1][2] = position + 1
            elif own is not None:
                rows.append([text.tokenizer, position, position + 1, own])
            before = own
    return pd.DataFrame(rows, columns=["tokenizer", "first", "last", "own"])


_NOTHING: dict[str, Any] = {
    "position": 0,
    "id": 0,
    "piece": "",
    "text": "",
    "word": "",
    "word_index": pd.NA,
    "kind": "unknown",
    "mask": 1,
    "cut": False,
    "first": pd.NA,
    "last": pd.NA,
    "tokenizer": "",
}


def _cut(places: Sequence[Place | None], network_text: "Tensor") -> list[Place]:
    """Return the words that the network was not given, of the prompts that it was given in part."""
    out = []
    for text in dict.fromkeys(place[0] for place in places if place is not None):
        end = None if text.reading is None else text.reading.end_in(network_text)
        after = text.table["cut"] | (text.table["position"] >= (end or len(text.table)))
        words = text.table.loc[after & (text.table["kind"] == "word"), "position"]
        out += [(text, int(at)) for at in words]
    return out


def _word_numbers(half: Sequence[PromptText]) -> dict[tuple[str, int], int]:
    """Return a number for each word of each tokenizer; equal words of one prompt share theirs.

    The second "red" of a prompt is another word than the first.
    """
    known: dict[tuple[str, str, int], int] = {}
    numbers = {}
    for text in half:
        seen: Counter[str] = Counter()
        words = text.table[text.table["kind"] == "word"].drop_duplicates("word_index")
        for index, word in zip(words["word_index"], words["word"], strict=True):
            key = (text.prompt, word, seen[word])
            seen[word] += 1
            numbers[text.tokenizer, int(index)] = known.setdefault(key, len(known))
    return numbers


def _matched(
    half: Sequence[PromptText], network_text: "Tensor", starts: Sequence[int] | None = None
) -> list[Place | None]:
    """Return for each row of a network's text whose position of which prompt it is, or None.

    Where several positions hold the same numbers, as pads that see nothing but the words do, it is
    the one after that of the row before.

    Args:
        half: The prompts that it may be of.
        network_text: [L, D].
        starts: Columns at which an encoder's vectors may begin; None for those of ``half``.
    """
    rows = network_text.detach().cpu()
    known: dict[bytes, list[Place]] = {}
    for text in half:
        for state in text.reading.states if text.reading is not None else ():
            numbers = state[:, :SAMPLE].to(rows.dtype).cpu()
            for at, key in enumerate(_keys(numbers)):
                known.setdefault(key, []).append((text, at))
    out: list[Place | None] = [None] * len(rows)
    for start in _starts(half) if starts is None else starts:
        block = rows[:, start : start + SAMPLE]
        for position, key in enumerate(_keys(block)):
            found = known.get(key)
            if out[position] is None and found and block[position].any():
                before = out[position - 1] if position else None
                follows = (one for one in found if before and one == (before[0], before[1] + 1))
                out[position] = next(follows, found[0])
    return out


def _starts(texts: Sequence[PromptText]) -> list[int]:
    """Return the columns at which an encoder's vectors may begin, side by side with others."""
    starts, width = [0], 0
    for text in texts:
        states = text.reading.states if text.reading is not None else ()
        width += states[-1].shape[1] if states else 0
        starts.append(width)
    return starts


def _keys(numbers: "Tensor") -> list[bytes]:
    import torch

    return [row.contiguous().view(torch.uint8).numpy().tobytes() for row in numbers]


def _by_length(half: Sequence[PromptText], length: int) -> list[Place | None]:
    """Return the same where no answer was seen: of the one tokenizer whose length it is."""
    for text in reversed(half):
        kept = int((~text.table["cut"]).sum())
        if kept == length:
            return [(text, at) for at in range(length)]
    return [None] * length
