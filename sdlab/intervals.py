"""Means and shares with their 95 % intervals."""

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Figure(NamedTuple):
    """A mean with its 95 % interval over so many samples."""

    value: float
    low: float
    high: float
    samples: int


def share(hits: Sequence[bool], independent: int | None = None) -> Figure:
    """Return the share of hits with Wilson's 95 % interval.

    Ours, as scipy's binomtest takes whole counts: here a group of hits may count as one sample.

    Args:
        hits: Whether each was one; at least one.
        independent: How many of them stand on their own, if they hang together in groups; the
            interval is as wide as so many make it.
    """
    n, p, z = independent or len(hits), sum(hits) / len(hits), 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return Figure(p, middle - half, middle + half, len(hits))


def mean(values: Sequence[float], independent: int | None = None) -> Figure:
    """Return the mean with its normal 95 % interval.

    Args:
        values: At least one.
        independent: As in ``share``.
    """
    middle, n = statistics.fmean(values), independent or len(values)
    half = 1.96 * statistics.stdev(values) / n**0.5 if len(values) > 1 else 0.0
    return Figure(middle, middle - half, middle + half, len(values))


def half_width(
    values: "Sequence[float] | NDArray[np.float64]", freedom: int | None = None
) -> float:
    """Return half of Student's 95 % interval of a mean; NaN for fewer than two values.

    Args:
        values: What the mean is of.
        freedom: Degrees of freedom; one less than there are values if not given.
    """
    import numpy as np
    from scipy import stats

    count = len(values)
    if count < 2:
        return math.nan
    student = float(stats.t.ppf(0.975, freedom or count - 1))
    return student * float(np.std(values, ddof=1)) / math.sqrt(count)
