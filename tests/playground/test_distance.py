"""The sliced Wasserstein distance against what is known of it, and its interval."""

import numpy as np
import pytest

from sdlab.playground.distance import sliced_wasserstein, to_truth


def cloud(seed, count=2000, std=1.0):
    return std * np.random.default_rng(seed).normal(size=(count, 2))


def test_a_shift_is_seen_as_far_as_it_goes_along_each_direction():
    """By s along x: the mean of s |cos| over all directions is 2 s / pi."""
    points = cloud(0)
    far = sliced_wasserstein(points, points + [3.0, 0.0], directions=64)
    assert far == pytest.approx(6 / np.pi, rel=1e-3)
    assert sliced_wasserstein(points, points) == 0
    assert sliced_wasserstein(points, points[::-1]) == pytest.approx(0, abs=1e-12)


def test_a_spread_is_seen_from_everywhere():
    """Of N(0, 1) and N(0, 2^2) the optimal way is x -> 2 x: E|x| = sqrt(2 / pi)."""
    far = sliced_wasserstein(cloud(0, 8000), cloud(1, 8000, 2.0))
    assert far == pytest.approx(np.sqrt(2 / np.pi), abs=0.03)


def test_clouds_of_other_sizes_are_compared():
    assert sliced_wasserstein(cloud(0, 500), cloud(1, 900)) < 0.1


def test_the_interval_is_of_independent_batches():
    same = to_truth(cloud(0), cloud(1), cloud(2))
    assert same.low < same.value < same.high and same.count == 125
    assert same.value == pytest.approx(same.floor, rel=0.2)
    far = to_truth(cloud(0) + [1.0, 0.0], cloud(1), cloud(2))
    assert far.low > 2 * far.floor and far.floor == same.floor
    assert far.value == pytest.approx(2 / np.pi, rel=0.1)


def test_bad_clouds_are_refused():
    with pytest.raises(ValueError, match=r"b must have shape \[N, 2\], got \(4, 3\)"):
        sliced_wasserstein(cloud(0, 4), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="directions must be 1 or more, got 0"):
        sliced_wasserstein(cloud(0, 4), cloud(1, 4), 0)
    with pytest.raises(ValueError, match="as many points, got 4, 4 and 5"):
        to_truth(cloud(0, 4), cloud(0, 4), cloud(0, 5))
    with pytest.raises(ValueError, match="batches must lie between 2 and 4, got 5"):
        to_truth(cloud(0, 4), cloud(0, 4), cloud(0, 4), 5)
