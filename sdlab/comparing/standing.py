"""Which samplers are ranked by distance, which are not, and what of the order may be luck.

A sampler is ranked if it draws no noise, made all the pictures that others made, and follows the
reference's ODE from its start to its end. Of the others the distance is given, but none of them is
called the nearest, however near it comes.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sdlab.comparing.comparison import Comparison
from sdlab.comparing.costs import complete
from sdlab.comparing.significance import MARGIN
from sdlab.comparing.words import counted, listed, probability

HUGE = 1000
"""A ratio above this is told as such."""

BARS = (
    "Bars of two samplers may overlap all the same: a bar is one sampler over all pictures, and a"
    " picture that is hard for one is hard for both; the ratio is taken within each picture."
)

Frame = Any  # a DataFrame, whose stubs give every cell any type there is
Tables = Mapping[str, Frame]


class Standing(NamedTuple):
    """The rows of ``cost`` by what a verdict may say of them.

    Attributes:
        fair: Ranked by distance.
        beside: Those that cannot be compared fairly.
        partly: Without all the pictures that others made at the budget.
    """

    fair: Frame
    beside: Frame
    partly: Frame


def standing(tables: Tables) -> Standing:
    """Return which deterministic samplers with an error are ranked and which are not.

    Args:
        tables: The comparison's; ``entrants`` and ``cost`` decide.
    """
    entrants, cost = tables["entrants"], tables["cost"]
    steady = entrants.loc[entrants["deterministic"], "entrant"]
    objected = entrants.loc[entrants["notes"] != "", "entrant"]
    rows = cost[cost["entrant"].isin(steady) & cost["error"].notna()]
    whole, beside = complete(rows), rows["entrant"].isin(objected)
    return Standing(rows[whole & ~beside], rows[whole & beside], rows[~whole])


def at_first(comparison: Comparison, rows: Frame) -> Frame:
    """Return those rows of ``cost`` that are at the comparison's first budget, the nearest first.

    Args:
        comparison: What was compared.
        rows: Some of its ``cost``.
    """
    return rows[rows["budget"] == comparison.budget].sort_values("error", kind="stable")


def certainty(ties: Frame, best: str, pictures: int) -> str:
    """Return the end of the sentence that names the nearest: whether it may be luck.

    Args:
        ties: The comparison's ``ties``, of those that are ranked.
        best: Who is nearest.
        pictures: How many were compared.
    """
    own = _against(ties, best)
    if own.empty or own["p"].isna().any():
        return f"; with {counted(pictures, 'picture')} that may be luck."
    alike = [_other(row, best)[0] for row in own[own["tied"]].itertuples()]
    unknown = [_other(row, best)[0] for row in own[own["open"]].itertuples()]
    parts = [f"{_are(alike)} about as near"] if alike else []
    if unknown:
        parts.append(f"{pictures} pictures cannot tell whether {_are(unknown)} as near")
    if not parts:
        return ", and by more than luck."
    rest = len(own) - len(alike) - len(unknown)
    parts += ["the rest is farther off by more than luck"] if rest else []
    return f"; {listed(parts)}."


def differences(ties: Frame, best: str) -> list[str]:
    """Return which samplers are farther than the nearest, tied with it, or not known to differ.

    Args:
        ties: The comparison's ``ties``, of those that are ranked.
        best: Who is nearest.
    """
    own = _against(ties, best)
    own = own[own["p"].notna()]
    if own.empty:
        return []
    alike = [_tie(row, best) for row in own[own["tied"]].itertuples()]
    unknown = own[own["open"]]
    sentences = []
    if alike:
        sentences.append(
            f"Statistically tied with {best}, to within a factor of {MARGIN:g}: {listed(alike)}."
        )
    if len(unknown):
        few = counted(int(unknown["pictures"].max()), "picture")
        points = [_unknown(row, best) for row in unknown.itertuples()]
        sentences.append(
            f"With {few} it cannot be told whether {best} is nearer than {listed(points)}."
        )
    nearer = len(own) - len(alike) - len(unknown)
    if not sentences:
        return [
            f"All others are farther from it than {best}, by more than luck (paired, p < 0.05)."
        ]
    if nearer:
        who = "The one other is" if nearer == 1 else f"The other {nearer} are"
        sentences.append(f"{who} farther off by more than luck.")
    return sentences


def ratios(ties: Frame, best: str, pairs: int) -> list[str]:
    """Return how many times nearer the nearest is than each other, with intervals and p.

    Args:
        ties: The comparison's ``ties``, of those that are ranked.
        best: Who is nearest.
        pairs: How many pairs were tested, for which p and the intervals are corrected.
    """
    own = _against(ties, best).dropna(subset=["p", "low", "high"])
    if own.empty:
        return []
    points = [_times_nearer(row, best) for row in own.itertuples()]
    corrected = f" Intervals and p are corrected for {pairs} pairs (Holm)." if pairs > 1 else ""
    return [f"Paired on the same pictures, {best} ends {listed(points)}.{corrected} {BARS}"]


def _times_nearer(row: Any, best: str) -> str:
    other, ratio = _other(row, best)
    ends = (1 / row.high, 1 / row.low) if row.a == best else (row.low, row.high)
    low, high = (f"{end:.3g}" for end in ends)
    p = probability(row.p)
    return f"{ratio:.3g} times nearer than {other} (95 %: {low} to {high}, p = {p})"


def _are(names: list[str]) -> str:
    return f"{listed(names)} {'is' if len(names) == 1 else 'are'}"


def _against(ties: Frame, best: str) -> Frame:
    return ties[(ties["a"] == best) | (ties["b"] == best)]


def _tie(row: Any, best: str) -> str:
    other, ratio = _other(row, best)
    return f"{other} ({ratio:.3g} times its distance, p = {probability(row.p)})"


def _unknown(row: Any, best: str) -> str:
    """Return another with its ratio, and what ratio or how many pictures would have shown."""
    other, ratio = _other(row, best)
    least = f"{row.least:.3g}" if row.least <= HUGE else f"{HUGE}"
    more = "" if row.enough != row.enough else f" or with about {row.enough:.0f} pictures"
    return (
        f"{other} ({ratio:.3g} times its distance, p = {probability(row.p)}; a difference would"
        f" show only above {least} times{more})"
    )


def _other(row: Any, best: str) -> tuple[str, float]:
    return (row.b, 1 / row.ratio) if row.a == best else (row.a, row.ratio)
