"""How far drawn points are from the truth: the sliced Wasserstein distance, with an interval.

Seen from a direction, two clouds of points are two distributions of one number, and the Wasserstein
distance between these is the mean way that the mass has to go (scipy computes it). Its mean over
all directions is 0 only for equal distributions (Bonneel et al. 2015, there with squares; doi
10.1007/s10851-014-0506-3).

Two clouds of the same law are not at 0 either: each is only a sample. That floor is measured too,
between two clouds of the truth. The interval is a bootstrap over independent batches, of the mean.
(Resampling the points themselves would add their chance once more, and shift the distance up.) It
tells how well this network's distance is known, not how another seed's training would end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, wasserstein_distance

Points = NDArray[np.floating]
DIRECTIONS = 32
BATCHES = 16


@dataclass(frozen=True)
class Distance:
    """A distance to the truth, in standard deviations of the data.

    Attributes:
        value: Mean over the batches.
        low: Lower end of its 95 % interval.
        high: Upper end.
        floor: The same between two clouds of the truth.
        count: Points of a batch, on which value and floor depend.
    """

    value: float
    low: float
    high: float
    floor: float
    count: int


def sliced_wasserstein(a: Points, b: Points, directions: int = DIRECTIONS) -> float:
    """Return the mean 1-Wasserstein distance of two clouds over directions in the plane.

    Args:
        a: float [N, 2].
        b: float [M, 2].
        directions: How many, evenly over half a turn (the other half sees the same), 1 or more.

    Raises:
        ValueError: If a cloud is not of points in the plane, or there is no direction.
    """
    for name, points in (("a", a), ("b", b)):
        if points.ndim != 2 or points.shape[1] != 2 or not len(points):
            raise ValueError(f"{name} must have shape [N, 2], got {points.shape}.")
    if directions < 1:
        raise ValueError(f"directions must be 1 or more, got {directions}.")
    angles = math.pi * (np.arange(directions) + 0.5) / directions
    ways = np.stack((np.cos(angles), np.sin(angles)))
    pairs = zip((a @ ways).T, (b @ ways).T, strict=True)
    return float(np.mean([wasserstein_distance(*pair) for pair in pairs]))


def to_truth(drawn: Points, truth: Points, other: Points, batches: int = BATCHES) -> Distance:
    """Return the distance of drawn points to the truth.

    Args:
        drawn: float [N, 2].
        truth: As many points of the truth.
        other: As many more, for the floor.
        batches: Into how many the points are split, 2 or more.

    Raises:
        ValueError: If the clouds differ in size or are too small for so many batches.
    """
    if not len(drawn) == len(truth) == len(other):
        sizes = f"{len(drawn)}, {len(truth)} and {len(other)}"
        raise ValueError(f"drawn, truth and other must have as many points, got {sizes}.")
    if not 2 <= batches <= len(drawn):
        raise ValueError(f"batches must lie between 2 and {len(drawn)}, got {batches}.")
    parts = [np.array_split(points, batches) for points in (drawn, truth, other)]
    values = [sliced_wasserstein(a, b) for a, b in zip(parts[0], parts[1], strict=True)]
    floor = [sliced_wasserstein(a, b) for a, b in zip(parts[1], parts[2], strict=True)]
    found = bootstrap((values,), np.mean, rng=0).confidence_interval
    return Distance(
        float(np.mean(values)), float(found.low), float(found.high),
        float(np.mean(floor)), len(drawn) // batches,
    )  # fmt: skip
