"""Which differences are more than luck: paired tests between entrants, and spreads over seeds.

Two entrants made the same pictures from the same noise, so their distances to the reference are
compared picture by picture: Student's t on the logs of the ratios. With many pairs some seem to
differ by luck alone; Holm's correction (1979, Scandinavian Journal of Statistics 6) keeps the
chance of even one such error at 5 %.

A test that finds no difference may only have had too few pictures. So each pair also has the
smallest ratio that would have shown, given how much its pictures scatter, and an interval. A pair
is tied only if the whole interval is within ``MARGIN`` (an equivalence test: Schuirmann 1987,
Journal of Pharmacokinetics and Biopharmaceutics 15); without a difference or a tie it is open.
"""

import math
from collections.abc import Collection
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.comparing.comparison import Comparison
from sdlab.comparing.costs import LEAST, geometric
from sdlab.comparing.outcomes import RunOutcomes
from sdlab.comparing.reference import rms
from sdlab.intervals import half_width

if TYPE_CHECKING:
    import pandas as pd

PICTURES = 3
SIGNIFICANT = 0.05
ALIKE = 0.01
"""Distances within this share of each other count as equal, even if the difference is certain."""
MARGIN = 1.5
"""A pair is tied if its distances are known to differ by less than this factor."""
MOST_PICTURES = 1000
"""So many pictures are reckoned with, to say how many would tell two apart."""
RANGES = {
    "image_rmse": (0.0, 255.0),
    "psnr": (0.0, math.inf),
    "ssim": (-1.0, 1.0),
    "fidelity": (0.0, 1.0),
}
"""What of a run's picture is averaged over the seeds, and the values that it can have."""


def ties(
    comparison: Comparison, runs: "pd.DataFrame", steady: Collection[str]
) -> list[dict[str, Any]]:
    """Return one row a pair of entrants that draw no noise, at the first budget.

    Args:
        comparison: What was compared.
        runs: Its table of runs.
        steady: Labels of the entrants that draw no noise.
    """
    at_first = runs[(runs["budget"] == comparison.budget) & runs["distance"].notna()]
    distances = at_first.pivot(index=["prompt", "seed"], columns="entrant", values="distance")
    logs = {label: np.log(distances[label].clip(lower=LEAST).to_numpy()) for label in distances}
    labels = [e.label for e in comparison.entrants if e.label in logs and e.label in steady]
    rows: list[dict[str, Any]] = []
    ratios_of: list[np.ndarray] = []
    for a, b in combinations(labels, 2):
        ratios = logs[a] - logs[b]
        ratios = ratios[np.isfinite(ratios)]
        if len(ratios):
            ratio = math.exp(ratios.mean())
            p = paired(ratios)
            rows.append({"a": a, "b": b, "ratio": ratio, "p": p, "pictures": len(ratios)})
            ratios_of.append(ratios)
    tested = [i for i, row in enumerate(rows) if not math.isnan(row["p"])]
    raw = [rows[i]["p"] for i in tested]
    for i, p, level in zip(tested, holm(raw), levels(raw), strict=True):
        rows[i] |= _judged(ratios_of[i], p, level)
    return rows


def _judged(ratios: "np.ndarray", p: float, level: float) -> dict[str, Any]:
    """Return what a pair's pictures show, and what so many pictures can show.

    Args:
        ratios: Logs of the ratios, one a picture.
        p: Corrected probability of so great a difference by luck.
        level: The level at which Holm's procedure tests the pair.
    """
    middle, scatter = float(ratios.mean()), float(np.std(ratios, ddof=1))
    half = scatter * reach(len(ratios), level)
    nearer = p < SIGNIFICANT and abs(middle) >= ALIKE
    within = abs(middle) + half < math.log(MARGIN)
    return {
        "p": p,
        "low": _exp(middle - half),
        "high": _exp(middle + half),
        "least": _exp(half),
        "enough": math.nan if nearer else enough(abs(middle), scatter, level),
        "tied": within and not nearer,
        "open": not within and not nearer,
    }


def reach(pictures: int, level: float) -> float:
    """Return by how many standard deviations a mean must differ from 0 to be significant.

    Args:
        pictures: How many, at least 2.
        level: Of the two-sided test.
    """
    from scipy import stats

    return float(stats.t.isf(level / 2, pictures - 1)) / math.sqrt(pictures)


def resolution(pictures: int, samplers: int) -> float:
    """Return how large a difference must be to show, over its scatter from picture to picture.

    Of the largest difference among all pairs, which Holm's correction tests hardest; infinite
    for fewer than three pictures or two samplers.

    Args:
        pictures: How many are compared.
        samplers: How many draw no noise.
    """
    pairs = math.comb(samplers, 2)
    return reach(pictures, SIGNIFICANT / pairs) if pictures >= PICTURES and pairs else math.inf


def enough(difference: float, scatter: float, level: float) -> float:
    """Return how many pictures would show a difference of logs; NaN above ``MOST_PICTURES``.

    Args:
        difference: Mean of the logs of the ratios, positive.
        scatter: Their standard deviation.
        level: Of the test.
    """
    from scipy import stats

    counts = np.arange(PICTURES, MOST_PICTURES + 1)
    needed = scatter * stats.t.isf(level / 2, counts - 1) / np.sqrt(counts)
    shown = np.flatnonzero(needed < difference)
    return float(counts[shown[0]]) if len(shown) else math.nan


def _exp(log: float) -> float:
    """Return the exponential, infinite where it is too large for a number."""
    return math.exp(log) if log < 700 else math.inf


def paired(ratios: "np.ndarray") -> float:
    """Return the p-value of log ratios (paired t-test); NaN for fewer than three."""
    from scipy import stats

    if len(ratios) < PICTURES:
        return math.nan
    if np.ptp(ratios) == 0:
        return 1.0 if ratios[0] == 0 else 0.0
    return float(stats.ttest_1samp(ratios, 0.0).pvalue)


def holm(p_values: list[float]) -> list[float]:
    """Return probabilities corrected for their number, in their order (Holm 1979).

    Ours, as scipy has no Holm, and statsmodels would be a large dependency for these few lines.
    """
    out = [1.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(np.argsort(p_values, kind="stable").tolist()):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        out[i] = largest
    return out


def levels(p_values: list[float]) -> list[float]:
    """Return the level at which Holm's procedure tests each probability, in their order.

    A probability is found significant if, and only if, it is below its level: all that are left
    when the procedure stops were tested at the level at which it stopped.
    """
    out = [SIGNIFICANT] * len(p_values)
    stopped = math.nan
    for rank, i in enumerate(np.argsort(p_values, kind="stable").tolist()):
        own = SIGNIFICANT / (len(p_values) - rank)
        if math.isnan(stopped) and p_values[i] >= own:
            stopped = own
        out[i] = own if math.isnan(stopped) else stopped
    return out


def spread(outcomes: RunOutcomes, runs: "pd.DataFrame") -> list[dict[str, Any]]:
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


def _apart(outcomes: RunOutcomes) -> dict[str, list[float]]:
    """Return by entrant each picture's mean distance to its prompt's pictures of other seeds."""
    apart: dict[str, list[float]] = {}
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
            known = [outcomes.references.get(outcome.picture) for outcome in own]
            units = [reference.unit for reference in known if reference]
            unit = float(np.mean(units or finals.std(1)))
            for final in finals:
                others = rms(finals - final).sum() / (len(own) - 1)
                apart.setdefault(entrant.label, []).append(float(others) / unit)
    return apart
