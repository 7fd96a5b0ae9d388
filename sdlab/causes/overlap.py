r"""How far two maps agree about where: rank correlation, and the overlap of their strongest cells.

* Rank correlation: Spearman's, the correlation of the cells' ranks, ties at their mean rank; 1 if
  both order all cells alike, 0 for unrelated ones.
* IoU of the top fifth: the cells of each map among its strongest fifth, those in both over those in
  either. Two unrelated maps have 0.2 / (2 - 0.2) = 0.11 in expectation of large grids.

Against a true mask of k cells the map's k strongest cells are taken in the place of a fifth; by
chance (k / n) / (2 - k / n) of n cells.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

SHARE = 0.2


@dataclass(frozen=True)
class Overlap:
    """How far two maps agree.

    Attributes:
        rank_correlation: -1 ... 1; NaN where a map is the same everywhere.
        iou: 0 ... 1, of the strongest cells.
        chance: The IoU expected of unrelated maps.
    """

    rank_correlation: float
    iou: float
    chance: float


def overlap(one: np.ndarray, other: np.ndarray, share: float = SHARE) -> Overlap:
    """Return how far two maps agree.

    Args:
        one: [h, w], finite.
        other: Likewise; bool for a mask, which then says how many cells are taken.
        share: Of the cells that count as the strongest, above 0 and at most 1.

    Raises:
        ValueError: If the maps have not one shape, the share is out of range or a mask is empty.
    """
    if one.shape != other.shape:
        raise ValueError(f"two maps of one shape are compared, got {one.shape} and {other.shape}.")
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share}.")
    masked = other.dtype == bool
    count = int(other.sum()) if masked else max(1, round(share * other.size))
    if not count:
        raise ValueError("The mask is empty: no cell is in it.")
    a = strongest(one, count)
    b = other if masked else strongest(other, count)
    part = count / other.size
    return Overlap(
        rank_correlation(one, other), float((a & b).sum() / (a | b).sum()), part / (2 - part)
    )


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation of two maps; NaN where one is the same everywhere."""
    a, b = (pd.Series(x.ravel().astype(np.float64)).rank().to_numpy() for x in (one, other))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def strongest(values: np.ndarray, count: int) -> np.ndarray:
    """Return which cells are the strongest, bool like ``values``; of equal ones the first."""
    chosen = np.zeros(values.size, dtype=bool)
    chosen[np.argsort(-values.ravel(), kind="stable")[:count]] = True
    return chosen.reshape(values.shape)
