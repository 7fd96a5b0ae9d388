"""What is more than luck: paired tests between entrants, and spreads over seeds.

Two entrants made the same pictures from the same noise, so their distances to the reference are
compared picture by picture: Student's t on the logs of the ratios. With many pairs some seem to
differ by luck alone; Holm's correction (1979, Scandinavian Journal of Statistics 6) keeps the
chance of even one such error at 5 %.
"""

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.comparing.costs import LEAST, geometric, half_width
from sdlab.comparing.fairness import draws_noise
from sdlab.comparing.outcomes import Outcomes
from sdlab.comparing.reference import rms

if TYPE_CHECKING:
    import pandas as pd

PICTURES = 3
SIGNIFICANT = 0.05
ALIKE = 0.01
"""Distances within this share of each other are tied, however sure the difference is."""
RANGES = {
    "image_rmse": (0.0, 255.0),
    "psnr": (0.0, math.inf),
    "ssim": (-1.0, 1.0),
    "fidelity": (0.0, 1.0),
}
"""What of a run's picture is averaged over the seeds, and the values that it can have."""


def ties(outcomes: Outcomes, runs: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return one row a pair of entrants that draw no noise, at the first budget.

    Args:
        outcomes: The runs.
        runs: Their table.
    """
    at_first = runs[(runs["budget"] == outcomes.comparison.budget) & runs["distance"].notna()]
    found = at_first.pivot(index=["prompt", "seed"], columns="entrant", values="distance")
    logs = {label: np.log(found[label].clip(lower=LEAST).to_numpy()) for label in found}
    steady = [e.label for e in outcomes.comparison.entrants if not draws_noise(e)]
    rows: list[dict[str, Any]] = []
    for a, b in combinations([label for label in steady if label in logs], 2):
        ratios = logs[a] - logs[b]
        ratios = ratios[np.isfinite(ratios)]
        if len(ratios):
            ratio = math.exp(ratios.mean())
            p = paired(ratios)
            rows.append({"a": a, "b": b, "ratio": ratio, "p": p, "pictures": len(ratios)})
    tested = [row for row in rows if not math.isnan(row["p"])]
    corrected = holm([row["p"] for row in tested])
    for row, p in zip(tested, corrected, strict=True):
        alike = abs(math.log(row["ratio"])) < ALIKE
        row |= {"p": p, "tied": p >= SIGNIFICANT or alike}
    return rows


def paired(ratios: "np.ndarray") -> float:
    """Return the probability of log ratios so far from 0 by luck; NaN for fewer than three."""
    from scipy import stats

    if len(ratios) < PICTURES:
        return math.nan
    if np.ptp(ratios) == 0:
        return 1.0 if ratios[0] == 0 else 0.0
    return float(stats.ttest_1samp(ratios, 0.0).pvalue)


def holm(p_values: list[float]) -> list[float]:
    """Return probabilities corrected for their number, in their order (Holm 1979)."""
    out = [1.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(np.argsort(p_values, kind="stable").tolist()):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        out[i] = largest
    return out


def spread(outcomes: Outcomes, runs: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return one row an entrant and kind of distribution over the seeds, at the first budget.

    Args:
        outcomes: The runs.
        runs: Their table.
    """
    at_first = runs[runs["budget"] == outcomes.comparison.budget]
    apart = _apart(outcomes)
    rows = []
    for entrant in outcomes.comparison.entrants:
        own = at_first[at_first["entrant"] == entrant.label]
        # a U-statistic of pairs: its variance is four times that of its parts' mean
        rows.append(_row(entrant.label, "spread", *_mean(apart.get(entrant.label, []), 2.0)))
        distances = own["distance"].dropna().tolist()
        rows.append(_row(entrant.label, "distance", *geometric(distances), len(distances)))
        for what in RANGES:
            known = own.loc[np.isfinite(own[what]), what]  # equal pictures have an endless PSNR
            middle, low, high, count = _mean(known.tolist())
            low, high = np.clip((low, high), *RANGES[what])
            rows.append(_row(entrant.label, what, middle, float(low), float(high), count))
    return [row for row in rows if row["n"]]


def _row(entrant: str, what: str, mean: float, low: float, high: float, n: int) -> dict[str, Any]:
    return {"entrant": entrant, "what": what, "mean": mean, "low": low, "high": high, "n": n}


def _mean(values: list[float], widen: float = 1.0) -> tuple[float, float, float, int]:
    """Return the mean, its 95 % interval if there are three values or more, and their number."""
    if not values:
        return math.nan, math.nan, math.nan, 0
    middle = float(np.mean(values))
    half = widen * half_width(values) if len(values) >= PICTURES else math.nan
    return middle, middle - half, middle + half, len(values)


def _apart(outcomes: Outcomes) -> dict[str, list[float]]:
    """Return by entrant each picture's mean distance to its prompt's pictures of other seeds."""
    found: dict[str, list[float]] = {}
    for entrant in outcomes.comparison.entrants:
        for prompt in outcomes.comparison.prompts:
            own = [
                outcome
                for outcome in outcomes.done
                if outcome.cell.budget == outcomes.comparison.budget
                and (outcome.cell.entrant, outcome.cell.prompt) == (entrant.label, prompt)
            ]
            if len(own) < 2:
                continue
            finals = np.stack([outcome.latents for outcome in own])
            units = [outcomes.truths[o.picture].unit for o in own if o.picture in outcomes.truths]
            unit = float(np.mean(units or finals.std(1)))
            for final in finals:
                others = rms(finals - final).sum() / (len(own) - 1)
                found.setdefault(entrant.label, []).append(float(others) / unit)
    return found
