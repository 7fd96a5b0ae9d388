"""At what cost a comparison's samplers reach an error that is asked for."""

import math
from collections.abc import Sequence
from typing import Any

from sdlab.comparing.standing import Frame, Standing, Tables, standing
from sdlab.comparing.words import listed

TARGET = 0.05


def check_target(target: float) -> None:
    """Raise ``ValueError`` if an error asked for is not above 0.

    Raises:
        ValueError: Naming it.
    """
    if not target > 0:
        raise ValueError(f"target must be above 0, got {target}.")


def evaluations_for(nfe: Sequence[float], errors: Sequence[float], target: float) -> float:
    """Return the evaluations at which an error is first reached; NaN if it is not.

    Between two of them the error is interpolated linearly, log against log. Where the fewest tried
    already reach it, these are returned.

    Args:
        nfe: Evaluations, ascending.
        errors: The error at each.
        target: The error asked for.
    """
    for i, (count, error) in enumerate(zip(nfe, errors, strict=True)):
        if error > target:
            continue
        if i == 0 or not errors[i - 1] > error > 0:
            return float(count)
        share = math.log(errors[i - 1] / target) / math.log(errors[i - 1] / error)
        return float(nfe[i - 1] * (count / nfe[i - 1]) ** share)
    return math.nan


def reached(tables: Tables, target: float) -> str:
    """Return which sampler reaches an error first and what others need; "" if none is ranked.

    Args:
        tables: Of a comparison.
        target: The error asked for, in standard deviations of the latents; above 0.

    Raises:
        ValueError: If it is not.
    """
    check_target(target)
    return " ".join(reached_of(standing(tables), target))


def reached_of(ranks: Standing, target: float) -> list[str]:
    """Return who reaches an error first, what others need, and what those beside the ranking do.

    Args:
        ranks: Who is ranked and who is not.
        target: The error asked for, in standard deviations of the latents.
    """
    if ranks.fair.empty:
        return [f"With care: {sentence}" for sentence in _needed(ranks.beside, target)]
    beside = [f"Not ranked: {sentence}" for sentence in _needed(ranks.beside, target)]
    return [*_needed(ranks.fair, target), *beside]


def _needed(ranked: Frame, target: float) -> list[str]:
    """Say who of some reaches the target first and what the others need for the same."""
    needed, missed, most = _counts(ranked, target)
    if needed:
        said = _first_and_slower(needed, target)
        missing = f" Not reached with what was tried: {listed(missed)}." if missed else ""
        return [said + missing]
    if not missed:
        return []
    what = "it needs" if len(missed) == 1 else "they need"
    return [f"None reaches an error of {target:g} within {most:.0f} evaluations; {what} more."]


def _counts(ranked: Frame, target: float) -> tuple[list[tuple[float, bool, Any]], list[Any], float]:
    """Return the evaluations to the target, who does not reach it, and the most these made.

    Each count has with it whether it is the fewest tried, and the sampler; the fewest come first.
    """
    needed, missed, most = [], [], 0.0
    for label, rows in ranked.groupby("entrant", sort=False):
        ordered = rows.sort_values("nfe")
        nfe, errors = ordered["nfe"].astype(float).tolist(), ordered["error"].tolist()
        count = evaluations_for(nfe, errors, target)
        if math.isnan(count):
            missed.append(label)
            most = max(most, *nfe)
        else:
            needed.append((count, count == nfe[0], label))
    needed.sort(key=lambda row: (row[0], not row[1]))
    return needed, missed, most


def _first_and_slower(needed: list[tuple[float, bool, Any]], target: float) -> str:
    """Say who reaches the target first, then what each other needs."""
    fewest = needed[0][0]
    least = [f"{label} ({n:.0f})" for n, at_once, label in needed if at_once and n == fewest]
    if least:
        sentence = (
            f"An error of {target:g} is reached with the fewest evaluations tried by"
            f" {listed(least)}"
        )
        rest = needed[len(least) :]
    else:
        (_, _, quickest), *rest = needed
        sentence = (
            f"An error of {target:g} is reached first by {quickest}, with about {fewest:.0f}"
            " evaluations"
        )
    slower = [
        f"{label} needs at most {count:.0f}, the fewest tried"
        if at_once
        else f"{label} needs about {count:.0f}"
        + (f" ({count / fewest:.1f} times as many)" if not least else "")
        for count, at_once, label in rest
    ]
    return sentence + (f"; {listed(slower)}." if slower else ".")
