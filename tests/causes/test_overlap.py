"""How far two maps agree, held against figures counted by hand."""

import numpy as np
import pytest

from sdlab.causes.overlap import overlap, rank_correlation, strongest

RAMP = np.arange(25.0).reshape(5, 5)


def test_a_map_agrees_with_itself_and_with_what_orders_cells_alike():
    found = overlap(RAMP, RAMP**3)
    assert found.rank_correlation == pytest.approx(1.0) and found.iou == 1.0
    assert found.chance == pytest.approx(0.2 / 1.8)


def test_a_map_turned_round_agrees_nowhere():
    found = overlap(RAMP, -RAMP)
    assert found.rank_correlation == pytest.approx(-1.0) and found.iou == 0.0


def test_the_strongest_cells_are_counted():
    """Of the strongest 5 two are shared: 2 of 8 in either."""
    other = np.zeros((5, 5))
    other.ravel()[[23, 24, 0, 1, 2]] = 1
    assert overlap(RAMP, other).iou == pytest.approx(2 / 8)


def test_a_mask_says_how_many_cells_are_taken():
    mask = np.zeros((5, 5), dtype=bool)
    mask.ravel()[22:25] = True
    found = overlap(RAMP, mask)
    assert found.iou == 1.0 and found.chance == pytest.approx((3 / 25) / (2 - 3 / 25))
    # ranks of a mask: 22 zeros share rank 11.5, 3 ones share rank 24
    ranks = np.where(mask.ravel(), 24.0, 11.5)
    by_hand = np.corrcoef(np.arange(1, 26), ranks)[0, 1]
    assert found.rank_correlation == pytest.approx(by_hand)


def test_of_equal_cells_the_first_are_taken():
    assert strongest(np.ones((2, 3)), 2).ravel().tolist() == [True, True, *[False] * 4]


def test_a_map_that_is_the_same_everywhere_has_no_rank_correlation():
    assert np.isnan(rank_correlation(RAMP, np.ones((5, 5))))


@pytest.mark.parametrize(
    ("other", "share", "said"),
    [
        (np.ones((2, 2)), 0.2, "one shape"),
        (RAMP, 0.0, "share must be"),
        (np.zeros((5, 5), dtype=bool), 0.2, "empty"),
    ],
)
def test_what_cannot_be_compared_is_refused(other, share, said):
    with pytest.raises(ValueError, match=said):
        overlap(RAMP, other, share)
