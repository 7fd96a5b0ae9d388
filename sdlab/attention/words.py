"""Words and phrases of a prompt as token positions.

Subwords belong to their word; a phrase is a run of words; a word that is in the prompt twice has
two occurrences. Words are compared as the tokenizer sees them: case, spaces and how accents are
composed do not matter. Only if that finds nothing, apostrophes of all shapes, ligatures and the
like count as the same too.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sdlab.errors import nearest
from sdlab.text.spelling import loosely_spelled, spelled

if TYPE_CHECKING:
    import pandas as pd


def listed(tokens: "pd.DataFrame") -> list[str]:
    """Return the words of a token table that were not cut off, in order, repeated ones too."""
    rows = tokens[(tokens["kind"] == "word") & ~tokens["cut"]]
    return rows.drop_duplicates("word_index")["word"].tolist()


def spans(tokens: "pd.DataFrame") -> list[tuple[str, list[int]]]:
    """Return each word that was not cut off with the positions of its pieces, in order."""
    rows = tokens[(tokens["kind"] == "word") & ~tokens["cut"]]
    groups = rows.groupby("word_index", sort=True)
    return [(part["word"].iloc[0], part["position"].tolist()) for _, part in groups]


def labelled(tokens: "pd.DataFrame") -> list[tuple[str, list[int]]]:
    """Return ``spans``, the second of two equal words labelled "cat (2)"."""
    seen: dict[str, int] = {}
    out = []
    for word, places in spans(tokens):
        seen[spelled(word)] = number = seen.get(spelled(word), 0) + 1
        out.append((word if number == 1 else f"{word} ({number})", places))
    return out


def holds(tokens: "pd.DataFrame", phrase: str, cut: bool = False) -> bool:
    """Return whether a prompt has a word or phrase; one that was cut off counts if ``cut``."""
    return bool(_occurrences(tokens if cut else tokens[~tokens["cut"]], phrase))


def positions(
    tokens: "pd.DataFrame", word: "str | int | Sequence[int]", occurrence: int | None = None
) -> list[int]:
    """Return the positions of a word or phrase, ascending.

    Args:
        tokens: The token table of a prompt.
        word: "parrot", "red car", or positions, which are returned as they are.
        occurrence: Which one of a repeated word or phrase, from 0; None for all together.

    Raises:
        ValueError: If the prompt has no such word; the message lists those it has. If it was cut
            off, if there is no such occurrence, or if a position lies outside the text.
    """
    if not isinstance(word, str):
        return _given(tokens, word)
    found = _occurrences(tokens[~tokens["cut"]], word)
    if not found:
        _refuse(tokens, word)
    if occurrence is None:
        return sorted({position for one in found for position in one})
    if not 0 <= occurrence < len(found):
        raise ValueError(
            f"occurrence must be from 0 to {len(found) - 1} for {word!r}, which the prompt has"
            f" {len(found)} times; got {occurrence}."
        )
    return found[occurrence]


def _given(tokens: "pd.DataFrame", word: "int | Sequence[int]") -> list[int]:
    whole = (int, np.integer)
    given = sorted([word] if isinstance(word, whole) else word)
    last = int(tokens.loc[~tokens["cut"], "position"].max())
    if not given or not all(isinstance(p, whole) and 0 <= p <= last for p in given):
        raise ValueError(f"positions must be from 0 to {last}, got {word!r}.")
    return [int(p) for p in given]


def _occurrences(tokens: "pd.DataFrame", phrase: str) -> list[list[int]]:
    """Return the positions of every run of whole words that spells the phrase."""
    rows = tokens[tokens["kind"] == "word"]
    groups = [part for _, part in rows.groupby("word_index", sort=True)]
    words = [part["word"].iloc[0] for part in groups]
    places = [part["position"].tolist() for part in groups]
    for compare in (spelled, loosely_spelled):
        runs = _runs([compare(word) for word in words], compare(phrase))
        if runs:
            return [[place for one in places[a:b] for place in one] for a, b in runs]
    return []


def _runs(words: list[str], target: str) -> list[tuple[int, int]]:
    """Return (first, last) of every run of words that spells the target, last excluded."""
    found = []
    for first in range(len(words)):
        text, last = "", first
        while target and last < len(words) and len(text) < len(target):
            text += words[last]
            last += 1
        if target and text == target:
            found.append((first, last))
    return found


def _limit(tokens: "pd.DataFrame") -> str:
    """Return the name of what cut a prompt: of one tokenizer its number, of several none."""
    kept = tokens[~tokens["cut"]]
    several = "tokenizer" in tokens and len({*kept["tokenizer"]} - {""}) > 1
    return "the tokenizers' limits" if several else f"the {len(kept)}-token limit"


def _refuse(tokens: "pd.DataFrame", word: str) -> None:
    if (tokens["kind"] == "unknown").all():
        raise ValueError(
            f"The words are not known, only their embeddings were given; ask for {word!r} by its"
            " token position."
        )
    if _occurrences(tokens, word):
        raise ValueError(
            f"{word!r} lies past {_limit(tokens)} and was cut off; the network never saw it."
        )
    there = list(dict.fromkeys(listed(tokens)))
    close = nearest(word, there)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    none = "(none)" if not tokens["cut"].any() else "(all were cut off)"
    raise ValueError(
        f"The prompt has no word {word!r}.{hint} Its words: {', '.join(there) or none}."
    )
