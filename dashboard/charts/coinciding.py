"""Which schedules are the same, and the one line that stands for them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

SAME = 1e-4
"""Schedules are the same whose values differ by less than this share: no chart shows it."""


def first_of_each_step(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the first evaluation of every step, at that step: one sigma a step."""
    kept = frame[~frame.duplicated(["series", "step"])]
    return kept.assign(at=kept["step"].astype(float))


def coinciding(frame: pd.DataFrame, columns: Sequence[str]) -> list[list[str]]:
    """Return the series in groups of those that are the same, in the order of their first.

    Args:
        frame: Column ``series``, and those compared.
        columns: What must agree, to within ``SAME``.
    """
    groups: list[tuple[np.ndarray, list[str]]] = []
    for series, rows in frame.groupby("series", sort=False):
        values = rows[list(columns)].to_numpy(dtype=float)
        for first, names in groups:
            if first.shape == values.shape and np.allclose(
                first, values, rtol=SAME, atol=1e-9, equal_nan=True
            ):
                names.append(str(series))
                break
        else:
            groups.append((values, [str(series)]))
    return [names for _, names in groups]


def one_line_each(
    frame: pd.DataFrame,
    groups: Sequence[Sequence[str]],
    colors: Mapping[str, str],
    dashes: Mapping[str, list[int]],
) -> tuple[pd.DataFrame, dict[str, str], dict[str, list[int]]]:
    """Return the rows of the first of each group under the group's name, with the look of it."""
    lines = {names[0]: group_name(names) for names in groups}
    kept = frame[frame["series"].isin(lines)]
    return (
        kept.assign(series=kept["series"].map(lines)),
        {line: colors[first] for first, line in lines.items()},
        {line: dashes[first] for first, line in lines.items()},
    )


def group_name(names: Sequence[str]) -> str:
    """Return what a legend calls schedules that are the same."""
    if len(names) < 3:
        return " = ".join(names)
    return f"{names[0]} = {len(names) - 1} others"
