"""Tables about the words of a picture from its maps: shares, courses, overlaps, rankings.

Every function takes ``AttentionMaps`` and returns a tidy table. A word that is in the prompt
twice has two labels, "cat" and "cat (2)". ``choice`` are fields of ``views.Choice``. Shares add up
to 1 unless the heads' maximum was kept.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from sdlab.attention import views
from sdlab.attention.summary import statistics
from sdlab.attention.words import labelled
from sdlab.errors import unknown
from sdlab.text.tokens import labels

if TYPE_CHECKING:
    from sdlab.attention.maps import AttentionMaps

RANKS = ("focus", "mass", "peak")
# A map whose peak is below this share of attention has no visible shape.
FAINT = 0.01
PARTS = ("word", "token")
Named = Sequence[tuple[str, Sequence[int]]]
KINDS = ("start", "word", "end", "pad")
# A word is decided from when on its map correlates with its last one at least this well.
DECIDED = 0.9


def kind_mass(maps: "AttentionMaps", **choice: Unpack[views.ChoiceOptions]) -> pd.DataFrame:
    """Return the share of attention that start, words, end and pads receive at each evaluation.

    Pads that were not kept get what the others lack to the text's share, with whatever else of the
    text was not kept. If the heads' maximum was kept, which does not sum to 1, the share of such
    pads is missing. In a joint transformer the rest goes to the picture.

    Returns:
        Columns ``step``, ``evaluation``, ``sigma``, ``kind``, ``mass``; four rows an evaluation,
        more where the text has tokens of other kinds ("template", "unknown") or is joint with the
        picture ("picture").
    """
    chosen = views.Choice.of(kind_mass, choice)
    found, whole = kinds_of(maps, chosen.half), kinds_of(maps, chosen.half, kept=False)
    kinds = list(dict.fromkeys([*KINDS, *found]))
    exact = maps.record.heads != "max"
    rows = []
    for place in maps.places(chosen.step, chosen.evaluation, chosen.half):
        mass, text = _token_mass(maps, place, chosen), _text_mass(maps, place, chosen)
        shares = {kind: float(mass[found == kind].sum()) for kind in kinds}
        if len(found) < len(whole):
            shares["pad"] = text - sum(shares.values()) if exact else math.nan
        if any(layer.joint for layer in maps.choose(chosen.layer)):
            shares["picture"] = 1.0 - text if exact else math.nan
        rows += [{**where_of(maps, place), "kind": kind, "mass": shares[kind]} for kind in shares]
    return pd.DataFrame(rows)


def text_share(maps: "AttentionMaps", **choice: Unpack[views.ChoiceOptions]) -> pd.DataFrame:
    """Return how much the picture looks at the words at all, by evaluation, layer and head.

    Args:
        maps: The picture's maps.
        choice: Fields of ``views.Choice``.

    Returns:
        Columns ``step``, ``evaluation``, ``sigma``, ``layer``, ``head`` (missing if reduced) and
        ``share``, the mean over places; 1 in layers that look at nothing else.
    """
    chosen = views.Choice.of(text_share, choice)
    places = maps.places(chosen.step, chosen.evaluation, chosen.half)
    rows = []
    for layer in maps.choose(chosen.layer):
        shares = views.share_of(maps, layer, chosen).mean((2, 3))
        every = maps.record.heads == "all"
        for place, heads in zip(places, shares.tolist(), strict=True):
            first = chosen.head or 0
            for number, share in enumerate(heads, first):
                where = {**where_of(maps, place), "layer": layer.name}
                rows.append({**where, "head": number if every else None, "share": share})
    frame = pd.DataFrame(rows).astype({"head": "Int64"})
    return frame.sort_values("evaluation", kind="stable", ignore_index=True)


def word_course(
    maps: "AttentionMaps", *, also: Named = (), **choice: Unpack[views.ChoiceOptions]
) -> pd.DataFrame:
    """Return how the map of each word changes from evaluation to evaluation.

    Args:
        maps: The picture's maps.
        also: Label and token positions of phrases, listed after the prompt's words.
        choice: Fields of ``views.Choice``.

    Returns:
        Columns ``step``, ``evaluation``, ``sigma``, ``log_snr``, ``word``, ``mass``, ``entropy``
        (nats, of the mean map), ``likeness`` (correlation of the map with the word's last one).
    """
    views.Choice.of(word_course, choice)
    frames = []
    for label, positions in [*labelled(maps.tokens[choice.get("half", "cond")]), *also]:
        _, stack = views.frames(maps, list(positions), "evaluation", **choice)
        values = _statistics(stack)
        places = maps.places(
            choice.get("step"), choice.get("evaluation"), choice.get("half", "cond")
        )
        frame = pd.DataFrame([where_of(maps, place) for place in places])
        frame["log_snr"] = -2.0 * np.log(frame["sigma"])
        frame["word"] = label
        frame["mass"], frame["entropy"] = values["mass"], values["entropy"]
        frame["likeness"] = [_correlation(one, stack[-1]) for one in stack]
        frames.append(frame)
    columns = ["step", "evaluation", "sigma", "log_snr", "word", "mass", "entropy", "likeness"]
    return pd.concat(frames, ignore_index=True)[columns] if frames else _empty(columns)


def decided(course: pd.DataFrame, threshold: float = DECIDED) -> pd.DataFrame:
    """Return from which evaluation on each word's map stays like its last one.

    Args:
        course: Of ``word_course``.
        threshold: Correlation from which on two maps count as alike, -1 ... 1.

    Returns:
        Columns ``word``, ``step``, ``evaluation``, ``sigma``; one row a word, in prompt order.
    """
    rows = []
    for word, part in course.groupby("word", sort=False):
        unlike = np.flatnonzero(~(part["likeness"].to_numpy() >= threshold))
        first = min(int(unlike[-1]) + 1, len(part) - 1) if len(unlike) else 0
        rows.append({"word": word, **part.iloc[first][["step", "evaluation", "sigma"]]})
    return pd.DataFrame(rows, columns=["word", "step", "evaluation", "sigma"]).astype(
        {"step": int, "evaluation": int, "sigma": float}
    )


def overlap(
    maps: "AttentionMaps",
    by: str = "word",
    *,
    also: Named = (),
    **choice: Unpack[views.ChoiceOptions],
) -> pd.DataFrame:
    """Return how much each two words are read in the same places, which shows leaking attributes.

    Args:
        maps: The picture's maps.
        by: "word", or "token" for every kept token but the pads: pieces of words, start and end,
            each with its position before it ("2 red").
        also: Label and token positions of phrases, listed after those.
        choice: Fields of ``views.Choice``.

    Returns:
        Columns ``word``, ``other``, ``overlap`` (sum of the smaller of the two maps, each scaled
        to sum 1: 1 for equal maps, 0 for maps without a common place) and ``correlation`` (which
        a common background does not raise); every pair twice, and each word with itself.

    Raises:
        ValueError: If ``by`` is something else.
    """
    if by not in PARTS:
        raise ValueError(unknown("by", by, PARTS))
    half = views.Choice.of(overlap, choice).half
    found = labelled(maps.tokens[half]) if by == "word" else _each_token(maps, half)
    found += [(label, list(positions)) for label, positions in also]
    names = [label for label, _ in found]
    heats = [views.heatmap(maps, places, **choice) for _, places in found]
    shares = [_shares(heat) for heat in heats]
    pairs = [(i, j) for i in range(len(names)) for j in range(len(names))]
    return pd.DataFrame(
        {
            "word": [names[i] for i, _ in pairs],
            "other": [names[j] for _, j in pairs],
            "overlap": [float(np.minimum(shares[i], shares[j]).sum()) for i, j in pairs],
            "correlation": [_correlation(heats[i], heats[j]) for i, j in pairs],
        },
    )


def _each_token(maps: "AttentionMaps", half: str) -> list[tuple[str, list[int]]]:
    """Return label and position of every kept token but the pads."""
    table = maps.tokens[half]
    kept = table[table["position"].isin(maps.kept_positions(half))]
    pairs = zip(labels(kept), kept["position"], kept["kind"], strict=True)
    return [(label, [int(position)]) for label, position, kind in pairs if kind != "pad"]


def ranking(
    maps: "AttentionMaps",
    word: views.Word,
    by: str = "focus",
    **choice: Unpack[views.ChoiceOptions],
) -> pd.DataFrame:
    """Return the layers, and the heads where all were kept, ranked by how they see a word.

    Args:
        maps: The picture's maps.
        word: "parrot", "red car", or token positions.
        by: "focus", "mass" or "peak". By focus, those whose peak is below ``FAINT`` come last:
            where hardly any attention goes to the word, the map is rounding noise.
        choice: Fields of ``views.Choice``.

    Returns:
        Columns ``layer``, ``grid``, ``head`` (missing if reduced), ``mass``, ``entropy`` (nats),
        ``focus`` (1 - entropy / ln(places): 1 for one place, 0 for all alike) and ``peak``; the
        greatest first.

    Raises:
        ValueError: If ``by`` is something else, or the prompt has no such word.
    """
    if by not in RANKS:
        raise ValueError(unknown("by", by, RANKS))
    chosen = views.Choice.of(ranking, choice)
    maps.positions(word, chosen.occurrence, chosen.half)
    rows = []
    for layer in maps.choose(chosen.layer):
        own: views.ChoiceOptions = {**choice, "layer": layer.name, "size": None}
        heads, stack = views.frames(maps, word, "head", **own)
        values = _statistics(stack)
        for place, head in enumerate(heads):
            entropy = values["entropy"][place]
            focus = 1.0 - entropy / math.log(layer.cells) if layer.cells > 1 else math.nan
            rows.append(
                {
                    "layer": layer.name,
                    "grid": layer.size,
                    "head": head if len(heads) > 1 else None,
                    "mass": values["mass"][place],
                    "entropy": entropy,
                    "focus": focus,
                    "peak": values["peak"][place],
                }
            )
    frame = pd.DataFrame(rows).astype({"head": "Int64"})
    frame = frame.sort_values(by, ascending=False, kind="stable", ignore_index=True)
    if by != "focus":
        return frame
    return frame.sort_values(
        "peak", key=lambda peak: peak < FAINT, kind="stable", ignore_index=True
    )


def _token_mass(maps: "AttentionMaps", place: int, chosen: views.Choice) -> np.ndarray:
    """Return each kept token's share of attention at one evaluation, the mean over layers."""
    masses = [
        views.pick_head(
            maps.maps(layer, chosen.half)[place : place + 1].float().mean((-2, -1)),
            chosen.head,
            layer,
        ).mean((0, 1))
        for layer in maps.choose(chosen.layer)
    ]
    mean: np.ndarray = np.mean([mass.numpy() for mass in masses], axis=0)
    return mean


def _text_mass(maps: "AttentionMaps", place: int, chosen: views.Choice) -> float:
    """Return the text's share of attention at one evaluation, the mean over layers."""
    one = replace(chosen, step=None, evaluation=maps.evaluations[place])
    layers = maps.choose(chosen.layer)
    return sum(float(views.share_of(maps, layer, one).mean()) for layer in layers) / len(layers)


def kinds_of(maps: "AttentionMaps", half: str, kept: bool = True) -> np.ndarray:
    """Return the kind of every token that was kept, or of all that the network was given."""
    table = maps.tokens[half]
    chosen = table["position"].isin(maps.kept_positions(half)) if kept else ~table["cut"]
    return table.loc[chosen, "kind"].to_numpy()


def where_of(maps: "AttentionMaps", place: int) -> dict[str, Any]:
    """Return step, evaluation and sigma of a kept evaluation, by its place among those kept."""
    facts = maps.facts
    return {
        "step": facts.steps[place],
        "evaluation": facts.evaluations[place],
        "sigma": facts.sigmas[place],
    }


def _statistics(stack: np.ndarray) -> dict[str, np.ndarray]:
    import torch

    return statistics(torch.from_numpy(stack))


def _shares(heat: np.ndarray) -> np.ndarray:
    total = heat.sum(dtype=np.float64)
    return heat / total if total > 0 else np.full(heat.shape, np.nan)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    a, b = (x.astype(np.float64) - x.mean(dtype=np.float64) for x in (one, other))
    norm = math.sqrt(float((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / norm) if norm > 0 else math.nan


def _empty(columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns=columns)


def __getattr__(name: str) -> Any:
    """Return ``words_at``, which had this address before 0.5."""
    if name != "words_at":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sdlab.attention.places import words_at

    warnings.warn(f"{__name__}.{name} is sdlab.attention.places.{name}", DeprecationWarning, 2)
    return words_at
