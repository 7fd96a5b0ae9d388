"""What more network evaluations are worth: a second one a step, and many against few."""

import math
from typing import Any

from sdlab.comparing.comparison import Comparison
from sdlab.comparing.significance import SIGNIFICANT
from sdlab.comparing.standing import Frame, Tables, at_first, standing
from sdlab.comparing.words import counted, probability

TWICE = 1.5
"""Evaluations a step from which on a sampler asks more than once a step."""


def worth(comparison: Comparison, tables: Tables) -> list[str]:
    """Return what a second evaluation a step gains, and what few evaluations lose against many.

    Args:
        comparison: What was compared.
        tables: Its tables.
    """
    ranks = standing(tables)
    ranked = ranks.fair if len(ranks.fair) else ranks.beside
    return [*_second(comparison, tables, ranked), *_against_more(comparison, tables, ranked)]


def _second(comparison: Comparison, tables: Tables, ranked: Frame) -> list[str]:
    """Say whether those that ask twice a step are worth it, where the evaluations are equal."""
    here = at_first(comparison, ranked)
    each = here["nfe"] / here["num_steps"]
    twice, once = here[each >= TWICE], here[each < TWICE]
    if comparison.align != "nfe" or once.empty:
        return []
    best = once.iloc[0]
    return [_weighed(row, best, _luck(tables, row, best)) for _, row in twice.iterrows()]


def _luck(tables: Tables, one: Any, other: Any) -> float:
    """Return the probability p of so great a difference of two samplers by luck; NaN unknown."""
    ties, pair = tables["ties"], [one["entrant"], other["entrant"]]
    found = ties[ties["a"].isin(pair) & ties["b"].isin(pair)]
    return math.nan if found.empty else float(found["p"].iloc[0])


def _weighed(two: Any, one: Any, luck: float) -> str:
    gain = two["error"] / one["error"]
    much = f"{gain:.1f} times farther away" if gain > 1 else f"{1 / gain:.1f} times nearer"
    if luck < SIGNIFICANT:
        much += ": not worth it here" if gain > 1 else ": worth it here"
    else:
        known = "" if math.isnan(luck) else f" (p = {probability(luck)})"
        much += f", which may be luck{known}: more pictures would tell whether it is worth it"
    return (
        f"{two['entrant']} asks more than once a step: {counted(two['num_steps'], 'step')} take"
        f" {counted(two['nfe'], 'evaluation')}. Against {one['entrant']}, which makes"
        f" {counted(one['num_steps'], 'step')} of about as many, it ends {much}."
    )


def _against_more(comparison: Comparison, tables: Tables, ranked: Frame) -> list[str]:
    """Say how much the fewest evaluations lose against the most, and of the prompt."""
    least, most = min(comparison.budgets), max(comparison.budgets)
    few, many = (
        ranked[ranked["budget"] == budget].sort_values("error", kind="stable")
        for budget in (least, most)
    )
    if least == most or few.empty or many.empty:
        return []
    unit = "evaluations" if comparison.align == "nfe" else "steps"
    one, other = few.iloc[0], many.iloc[0]
    return [
        f"With {least} {unit} the nearest is {one['entrant']}, {one['error']:.3g} standard"
        f" deviations away{_holds(tables, one)}; with {most} it is {other['entrant']},"
        f" {other['error']:.3g}{_holds(tables, other)}. So {least} lose a factor of"
        f" {one['error'] / other['error']:.2g} against {most}."
    ]


def _holds(tables: Tables, row: Any) -> str:
    """Return what share of the prompt's statements hold, in brackets; "" if that is not known."""
    quality = tables["quality"]
    own = quality[
        (quality["entrant"] == row["entrant"])
        & (quality["budget"] == row["budget"])
        & (quality["what"] == "all")
    ]
    return "" if own.empty else f" ({own['share'].iloc[0]:.0%} of the prompt's statements hold)"
