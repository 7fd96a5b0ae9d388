"""A fitted schedule, and what it is worth on seeds that it was not fitted to."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sdlab.columns import Columns
from sdlab.comparing.costs import geometric
from sdlab.experiment.experiment import Experiment
from sdlab.intervals import half_width

if TYPE_CHECKING:
    import pandas as pd

FITTED = "fitted"

CURVES: Columns = {
    "curve": ("", "its name; 'fitted' is the new one"),
    "error": ("std", "distance to the converged picture, geometric mean over the held-out seeds"),
    "error_low": ("std", "lower end of its 95 % interval"),
    "error_high": ("std", "upper end"),
    "ratio": ("", "the fitted schedule's distance over this curve's, paired by seed"),
    "ratio_low": ("", "lower end of its 95 % interval"),
    "ratio_high": ("", "upper end"),
    "verdict": ("", "whether the fitted schedule is 'nearer', 'farther' or 'not told apart'"),
}

PICTURES: Columns = {
    "curve": ("", "its name"),
    "seed": ("", "of the start noise, held out"),
    "error": ("std", "distance to the converged picture"),
}


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted schedule.

    Attributes:
        experiment: What it was fitted to, following it.
        sigmas: The schedule, descending, the last 0.
        seeds: Of the fit.
        held_out: The seeds that judge.
        table: One row a curve; ``CURVES``.
        pictures: One row a curve and held-out seed; ``PICTURES``.
        left_out: Why a curve could not be held against it, by name.
    """

    experiment: Experiment
    sigmas: tuple[float, ...]
    seeds: tuple[int, ...]
    held_out: tuple[int, ...]
    table: "pd.DataFrame"
    pictures: "pd.DataFrame"
    left_out: Mapping[str, str]

    @property
    def sentences(self) -> list[str]:
        """What the held-out seeds say, a sentence for each curve."""
        others = self.table[self.table["curve"] != FITTED]
        said = [_sentence(row, len(self.held_out)) for _, row in others.iterrows()]
        return said + [f"{name} was left out: {why}" for name, why in self.left_out.items()]


def judged(
    errors: Mapping[str, Sequence[float]], seeds: Sequence[int]
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Return the tables of curves and of pictures.

    Args:
        errors: Distances by curve, one a seed; with those of ``FITTED``.
        seeds: Held out.
    """
    import pandas as pd

    rows = [_row(name, found, errors[FITTED]) for name, found in errors.items()]
    pictures = [
        {"curve": name, "seed": seed, "error": error}
        for name, found in errors.items()
        for seed, error in zip(seeds, found, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(CURVES)), pd.DataFrame(pictures, columns=list(PICTURES))


def _row(name: str, errors: Sequence[float], fitted: Sequence[float]) -> dict[str, Any]:
    error, low, high = geometric(list(errors))
    row: dict[str, Any] = {"curve": name, "error": error, "error_low": low, "error_high": high}
    if name == FITTED:
        return row | {"ratio": 1.0, "ratio_low": math.nan, "ratio_high": math.nan, "verdict": ""}
    logs = np.log(np.array(fitted)) - np.log(np.array(errors))
    middle, half = float(logs.mean()), half_width(logs)
    row |= {"ratio": math.exp(middle), "ratio_low": math.exp(middle - half)}
    row["ratio_high"] = math.exp(middle + half)
    nearer, farther = row["ratio_high"] < 1, row["ratio_low"] > 1
    row["verdict"] = "nearer" if nearer else "farther" if farther else "not told apart"
    return row


def _sentence(row: "pd.Series[Any]", pictures: int) -> str:
    return (
        f"On {pictures} held-out seeds the fitted schedule ends at {row['ratio']:.2f} times the"
        f" distance of {row['curve']} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f}):"
        f" {row['verdict']}."
    )
