"""Tables of a comparison cut and reduced to what a chart draws."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dashboard.charts.base import MAX_ROWS

DISTANCES = ("x_t_distance", "x0_distance", "x0_to_end")
NAMED = ("entrant", "a", "b")


def renamed(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return a table with its samplers called by their short names."""
    found = {c: table[c].map(lambda label: names.get(label, label)) for c in NAMED if c in table}
    return table.assign(**found)


def of_picture(table: pd.DataFrame, prompt: str, seed: int) -> pd.DataFrame:
    """Return the rows of one picture."""
    return table[(table["prompt"] == prompt) & (table["seed"] == seed)]


def over_pictures(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the means over the pictures of each evaluation: of distances the geometric one."""
    keys = ["entrant", "evaluation"]
    with np.errstate(divide="ignore"):
        logs = steps.assign(**{c: np.log(steps[c].astype(float)) for c in DISTANCES})
    means = logs.groupby(keys, sort=False).mean(numeric_only=True)
    means = means.assign(**{c: np.exp(means[c]) for c in DISTANCES})
    return means.reset_index().astype({"step": "int64"}).drop(columns="seed", errors="ignore")


def thinned(table: pd.DataFrame, limit: int = MAX_ROWS) -> pd.DataFrame:
    """Return at most about ``limit`` rows, of each sampler the first, the last and every n-th."""
    if len(table) <= limit:
        return table
    groups = table.groupby("entrant", sort=False)["evaluation"]
    every = -(-len(table) // max(1, limit - 2 * groups.ngroups))
    place, size = groups.cumcount(), groups.transform("size")
    return table[(place % every == 0) | (place == size - 1)]


def even(table: pd.DataFrame, limit: int = MAX_ROWS) -> pd.DataFrame:
    """Return at most ``limit`` rows, every n-th."""
    return table.iloc[:: max(1, -(-len(table) // limit))]
