"""How a tokenizer cuts a prompt into tokens.

CLIP: byte-pair encoding over 49,408 entries (Radford et al. 2021, arXiv 2103.00020): a start token,
the pieces, an end token, and pads up to 77. What does not fit between start and end is cut off.
SD 1.x pads with the end token, SD 2.x and the second tokenizer of SDXL with "!" (id 0); the mask is
0 on pads either way. T5: the pieces, an end token, and pads up to the pipeline's
``max_sequence_length``. Others have what specials their tokenizer adds, and pads where their
pipeline has such a length.

CLIP's entries are bytes, shown as letters: a piece of an emoji is not text by itself. A word that a
textual inversion added is one word, however many vectors it has.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from sdlab.columns import TOKENS
from sdlab.errors import check_types
from sdlab.text.parts import positions_of, tokenizer_of
from sdlab.text.pieces import in_bytes, piece_text, whole, words_of, writes_bytes
from sdlab.text.spelling import written_out

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.experiment.experiment import Experiment
    from sdlab.models.model import Model

__all__ = ["labels", "piece_text", "run_tokens", "token_tensors", "tokens", "unique_tokens"]
LONGEST_WORD = 100


def tokens(source: "Model | Any", prompt: str, part: str | None = None) -> pd.DataFrame:
    """Return the table of a prompt's tokens, the cut ones after the last position.

    Args:
        source: A loaded model, a pipeline, or a tokenizer.
        prompt: Any text.
        part: Whose tokenizer, where there are several: "text_encoder", "text_encoder_2", ...

    Returns:
        The ``tokens`` table of ``sdlab.columns`` without ``run`` and ``prompt``, and:
        ``text``, the piece in plain letters (its bytes in hex if it is only part of a letter);
        ``first`` and ``last``, the characters of the prompt that the piece was made from, last
        excluded, missing for special tokens. A ``word`` of more than ``LONGEST_WORD`` characters
        ends in an ellipsis there: each of its pieces repeats it.

    Raises:
        ModelError: If the source has no tokenizer.
        TypeError: If ``prompt`` is no text, as when the two are swapped.
    """
    check_types(tokens, prompt=(prompt, str))
    return cut_tokens(tokenizer_of(source, part), prompt, positions_of(source, part))


def cut_tokens(tokenizer: Any, prompt: str, length: int | None) -> pd.DataFrame:
    """Return what ``tokens`` does, of a tokenizer and a number of positions.

    Args:
        tokenizer: Any of transformers' tokenizers.
        prompt: Any text.
        length: Positions to pad to and to cut at; None for as many as the prompt takes.
    """
    pieces = Pieces.of(tokenizer, prompt)
    before, after = specials(tokenizer)
    count = len(pieces.ids)
    room = count if length is None else max(0, length - len(before) - len(after))
    rows: list[Row] = [(id_, "start", None, False) for id_ in before]
    rows += [(pieces.ids[i], "word", i, False) for i in range(min(room, count))]
    rows += [(id_, "end", None, False) for id_ in after]
    pads = [(tokenizer.pad_token_id, "pad", None, False)] * ((length or 0) - len(rows))
    rows = [*pads, *rows] if tokenizer.padding_side == "left" else [*rows, *pads]
    rows += [(pieces.ids[i], "word", i, True) for i in range(room, count)]
    return pieces.table(rows)


Row = tuple[Any, str, int | None, bool]  # id, kind, number of the piece, whether it was cut


@dataclass(frozen=True)
class Pieces:
    """A prompt cut into pieces, specials left out, nothing cut off.

    Attributes:
        tokenizer: What cut it.
        ids: Of each piece.
        offsets: (first, last) of the prompt behind each; None where the tokenizer does not say.
        words: The word of each.
        numbers: The number of its word, from 0.
    """

    tokenizer: Any
    ids: list[int]
    offsets: "list[tuple[int, int]] | None"
    words: list[str]
    numbers: list[int]

    @classmethod
    def of(cls, tokenizer: Any, prompt: str, shown: str | None = None) -> "Pieces":
        """Return the pieces of a prompt.

        Args:
            tokenizer: Any of transformers' tokenizers.
            prompt: Any text.
            shown: What was typed, where that differs in the size of letters alone.
        """
        if not getattr(tokenizer, "is_fast", True):
            written_out(tokenizer, prompt)  # refuses what is no text
            ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
            return cls(tokenizer, list(ids), None, *_joined(tokenizer, ids))
        ids, offsets = _encode(tokenizer, prompt)
        groups, index = words_of(tokenizer, ids, offsets, prompt)
        typed = shown or prompt
        texts = [
            _word(typed[offsets[group[0]][0] : offsets[group[-1]][1]].strip()) for group in groups
        ]
        return cls(tokenizer, ids, offsets, [texts[number] for number in index], index)

    def table(self, rows: Sequence[Row]) -> pd.DataFrame:
        """Return the ``tokens`` table of a sequence that holds these pieces."""
        names = self.tokenizer.convert_ids_to_tokens([row[0] for row in rows])
        numbers = [row[2] for row in rows]
        bytes_ = writes_bytes(self.tokenizer)
        ends = self.offsets
        first, last = (
            [None if i is None or ends is None else ends[i][side] for i in numbers]
            for side in (0, 1)
        )
        return pd.DataFrame(
            {
                "position": range(len(rows)),
                "id": [row[0] for row in rows],
                "piece": names,
                "text": [piece_text(name, bytes_) for name in names],
                "word": ["" if i is None else self.words[i] for i in numbers],
                "word_index": _whole([None if i is None else self.numbers[i] for i in numbers]),
                "kind": [row[1] for row in rows],
                "mask": [int(row[1] != "pad" and not row[3]) for row in rows],
                "cut": [row[3] for row in rows],
                "first": _whole(first),
                "last": _whole(last),
            }
        )


def token_tensors(
    source: "Model | Any", prompt: str, part: str | None = None
) -> "dict[str, Tensor]":
    """Return ``input_ids`` and ``attention_mask`` as the pipeline makes them, int64 [1, L].

    L is 77 for CLIP. A template that a pipeline puts around the prompt is left out.

    Args:
        source: A loaded model, a pipeline, or a tokenizer.
        prompt: Any text.
        part: Whose tokenizer, where there are several.
    """
    tokenizer, length = tokenizer_of(source, part), positions_of(source, part)
    text = written_out(tokenizer, prompt)[0]
    options = {} if length is None else {"padding": "max_length", "max_length": length}
    encoded = tokenizer(text, truncation=length is not None, return_tensors="pt", **options)
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
        table: As ``tokens`` gives it; what was cut is not counted, so the counts add up to
            the positions.

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
    bytes_ = in_bytes(kept["piece"])
    texts = kept["piece"].map(lambda piece: whole(piece, bytes_)).astype(object)
    names = texts.where(texts.notna(), kept["word"]).where(kept["kind"] == "word", kept["kind"])
    return [f"{p} {name}" for p, name in zip(kept["position"], names, strict=True)]


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


def _joined(tokenizer: Any, ids: Sequence[int]) -> tuple[list[str], list[int]]:
    """Return word and number of each piece where the tokenizer does not say what it was made of.

    A word begins where the tokenizer's mark of a space is; without such marks each is one.
    """
    names = tokenizer.convert_ids_to_tokens(ids)
    marked = any(name.startswith(("\u2581", "\u0120")) for name in names)
    numbers: list[int] = []
    for name in names:
        fresh = not numbers or not marked or name.startswith(("\u2581", "\u0120"))
        numbers.append((numbers[-1] if numbers else -1) + fresh)
    texts = {
        number: tokenizer.decode([i for i, n in zip(ids, numbers, strict=True) if n == number])
        for number in set(numbers)
    }
    return [_word(texts[number].strip()) for number in numbers], numbers


def specials(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the ids that a tokenizer puts before and after a text."""
    probe = tokenizer("a", add_special_tokens=False)["input_ids"]
    ids = list(tokenizer("a")["input_ids"])
    for first in range(len(ids) - len(probe) + 1):
        if ids[first : first + len(probe)] == probe:
            return ids[:first], ids[first + len(probe) :]
    return [], []


def _word(text: str) -> str:
    return text if len(text) <= LONGEST_WORD else f"{text[: LONGEST_WORD - 1]}\u2026"


def _whole(numbers: list[int | None]) -> Any:
    return pd.array(numbers, dtype="Int64")
