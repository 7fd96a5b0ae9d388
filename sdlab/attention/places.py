"""Tables about one place of a picture: which words it attends to, and when.

Every function but ``first_when`` takes ``AttentionMaps``; ``choice`` are fields of
``views.Choice``. Shares add up to 1 unless the heads' maximum was kept.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from sdlab.attention import analysis, views
from sdlab.attention.words import labelled

if TYPE_CHECKING:
    from sdlab.attention.maps import AttentionMaps


def words_at(
    maps: "AttentionMaps", x: float, y: float, **choice: Unpack[views.ChoiceOptions]
) -> pd.DataFrame:
    """Return the words by the share of attention that a place of the picture gives them.

    Args:
        maps: The picture's maps.
        x: 0 ... 1 from the left; each layer's cell that holds the place is taken.
        y: 0 ... 1 from the top.
        choice: Fields of ``views.Choice``.

    Returns:
        Columns ``word``, ``kind``, ``share``: the means of ``words_over``. Words come first, then
        what is no word, of each the greatest share first.
    """
    views.Choice.of(words_at, choice)
    course = words_over(maps, x, y, **choice)
    frame = course.groupby(["word", "kind"], sort=False, as_index=False)[["share"]].mean()
    frame["no_word"] = frame["kind"] != "word"
    ranked = frame.sort_values(["no_word", "share"], ascending=[True, False], ignore_index=True)
    return ranked[["word", "kind", "share"]]


def words_over(
    maps: "AttentionMaps", x: float, y: float, **choice: Unpack[views.ChoiceOptions]
) -> pd.DataFrame:
    """Return the share of attention that a place gives to each word at each evaluation.

    Args:
        maps: The picture's maps.
        x: 0 ... 1 from the left; each layer's cell that holds the place is taken.
        y: 0 ... 1 from the top.
        choice: Fields of ``views.Choice``.

    Returns:
        Columns ``step``, ``evaluation``, ``sigma``, ``word``, ``kind``, ``share``. Start, end and
        pads have a row each, with their kind as the word; pads that were not kept get what the
        others lack to the text's share. In joint transformers the rest goes to "picture". If the
        heads' maximum was kept, which does not sum to 1, both are left out.
    """
    chosen = views.Choice.of(words_over, choice)
    places = maps.places(chosen.step, chosen.evaluation, chosen.half)
    share, text = _shares_at(maps, x, y, chosen, places)
    kinds = analysis.kinds_of(maps, chosen.half)
    whole = analysis.kinds_of(maps, chosen.half, kept=False)
    found = {
        (label, "word"): share[:, maps.indices(positions, chosen.half)].sum(1)
        for label, positions in labelled(maps.tokens[chosen.half])
    }
    for kind in dict.fromkeys(("start", "end", "pad", *kinds)):
        if kind != "word" and (kinds == kind).any():
            found[kind, kind] = share[:, kinds == kind].sum(1)
    if maps.record.heads != "max":
        if len(kinds) < len(whole):
            rest = np.maximum(text - share.sum(1), 0.0)  # shares are rounded
            found["pad", "pad"] = found.get(("pad", "pad"), 0.0) + rest
        if any(layer.joint for layer in maps.choose(chosen.layer)):
            found["picture", "picture"] = 1.0 - text
    where = [analysis.where_of(maps, place) for place in places]
    return pd.DataFrame(
        {**at, "word": word, "kind": kind, "share": float(share)}
        for (word, kind), shares in found.items()
        for at, share in zip(where, shares, strict=True)
    )


def _shares_at(
    maps: "AttentionMaps", x: float, y: float, chosen: views.Choice, places: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return a place's share for each kept token, [K, tokens], and for the whole text, [K]."""
    shares, texts = [], []
    for layer in maps.choose(chosen.layer):
        row, column = views.cell(layer, x, y)
        own = maps.maps(layer, chosen.half)[..., row, column][places].float()
        shares.append(views.pick_head(own, chosen.head, layer).mean(1).numpy())
        text = np.ones(len(places))
        if layer.joint:
            text = views.share_of(maps, layer, chosen)[..., row, column].mean(1).numpy()
        texts.append(text)
    return np.mean(shares, axis=0), np.mean(texts, axis=0)


def first_when(course: pd.DataFrame, word: str) -> list[int]:
    """Return the evaluations at which a place gives a word more than any other word.

    Args:
        course: Of ``words_over``.
        word: A word of its column ``word``.
    """
    words = course[course["kind"] == "word"]
    shares = words.pivot(index="evaluation", columns="word", values="share")
    return [int(number) for number in shares.index[shares.idxmax(axis=1) == word]]
