"""Error against cost: a point for each entrant and budget, and the order fitted to the points.

The error of several pictures is the geometric mean of their distances to the reference, since
distances differ from picture to picture by factors; its 95 % interval is Student's, of the logs.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.bench.fit import ABOVE_FLOOR, BELOW, line
from sdlab.comparing.fairness import draws_noise
from sdlab.comparing.outcomes import RunOutcomes
from sdlab.intervals import half_width
from sdlab.noise.flow import path_of

if TYPE_CHECKING:
    import pandas as pd

LEAST = 1e-12
POINTS = 3


def cost(outcomes: RunOutcomes, runs: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return one row for each entrant and budget with at least one finished picture.

    Args:
        outcomes: The runs.
        runs: Their table.
    """
    convergences = [reference.convergence for reference in outcomes.references.values()]
    errors = [convergence.error for convergence in convergences if convergence]
    floor = geometric(errors)[0] if errors else math.nan
    rows: list[dict[str, Any]] = []
    done = runs[runs["state"] == "done"]
    for (entrant, budget), group in done.groupby(["entrant", "budget"], sort=False):
        distances = group["distance"].dropna().tolist()
        error, low, high = geometric(distances)
        rows.append(
            {
                "entrant": entrant,
                "budget": budget,
                "num_steps": int(group["num_steps"].iloc[0]),
                "nfe": int(group["nfe"].iloc[0]),
                "seconds": float(group["seconds"].median()),
                "error": error,
                "low": low,
                "high": high,
                "pictures": len(distances) or len(group),
                "floor": floor,
            }
        )
    steady = _steady(outcomes)
    known = [row for row in rows if row["entrant"] in steady and not math.isnan(row["error"])]
    ranked = [row for row in known if _is_whole(row, known)]
    for row in rows:
        row["pareto"] = row in ranked and not any(_beats(other, row) for other in ranked)
    order = [entrant.label for entrant in outcomes.comparison.entrants]
    return sorted(rows, key=lambda row: (order.index(row["entrant"]), row["budget"]))


def slopes(outcomes: RunOutcomes, costs: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return one row an entrant: how its error falls with its evaluations.

    The fit uses the points well above the reference's own error and below an error that shows
    nothing about small steps, as ``sdlab.bench.fit`` does. Unlike there, a slope of few points is
    reported too: its interval shows how uncertain it is.

    Args:
        outcomes: The runs.
        costs: The ``cost`` table.
    """
    rows = []
    steady = costs[costs["entrant"].isin(_steady(outcomes)) & costs["error"].notna()]
    whole = steady[complete(steady)]
    for entrant in outcomes.comparison.entrants:
        row: dict[str, Any] = {"entrant": entrant.label, "note": ""}
        points = whole[whole["entrant"] == entrant.label].sort_values("nfe")
        points = points.drop_duplicates("nfe")
        budgets = costs.loc[costs["entrant"] == entrant.label, "nfe"].nunique()
        nfe, error = points["nfe"].to_numpy(float), points["error"].to_numpy(float)
        least = ABOVE_FLOOR * np.nan_to_num(points["floor"].to_numpy(float), nan=0.0)
        usable = (error > np.maximum(least, LEAST)) & (error < BELOW)
        if draws_noise(entrant, path_of(outcomes.model.config)):
            row["note"] = "draws noise: its distance to the reference does not fall to 0"
        elif usable.sum() < POINTS:
            row |= {"points": int(usable.sum()), "note": _too_few(budgets)}
        else:
            fitted = line(nfe[usable], error[usable])
            row |= {"slope": fitted.order, "low": fitted.low, "high": fitted.high}
            if fitted.low <= 0:
                row |= {
                    "slope": math.nan,
                    "note": "the 95 % interval reaches 0: no fall, or no straight line",
                }
            row |= {"first": fitted.first, "last": fitted.last, "points": fitted.points}
        rows.append(row)
    return rows


def complete(rows: "pd.DataFrame") -> "pd.Series[bool]":
    """Return for rows of ``cost`` whether no other has made more pictures at the budget.

    A mean over fewer pictures is a mean of other pictures, and cannot be compared with the rest.
    """
    return rows["pictures"] == rows.groupby("budget")["pictures"].transform("max")


def geometric(values: list[float]) -> tuple[float, float, float]:
    """Return the geometric mean with its 95 % interval; NaN where there are too few values."""
    if not values:
        return math.nan, math.nan, math.nan
    logs = np.log(np.maximum(values, LEAST))
    middle, half = float(logs.mean()), half_width(logs)
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


def _steady(outcomes: RunOutcomes) -> set[str]:
    path = path_of(outcomes.model.config)
    return {e.label for e in outcomes.comparison.entrants if not draws_noise(e, path)}


def _is_whole(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Return ``complete`` for a row before there is a table."""
    return all(r["pictures"] <= row["pictures"] for r in rows if r["budget"] == row["budget"])


def _beats(other: dict[str, Any], row: dict[str, Any]) -> bool:
    """Return whether another is both quicker and nearer, or as good in one and better in one."""
    if other["seconds"] > row["seconds"] or not other["error"] <= row["error"]:
        return False
    return bool(other["seconds"] < row["seconds"] or other["error"] < row["error"])


def _too_few(budgets: int) -> str:
    if budgets < POINTS:
        return f"needs {POINTS} budgets or more, was run at {budgets}"
    return (
        f"fewer than {POINTS} points between {BELOW:g} and {ABOVE_FLOOR:g} times the reference's"
        " own error"
    )
