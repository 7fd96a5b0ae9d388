"""How many steps a number of evaluations pays for."""

import pytest

from sdlab.bench.cost import steps_within


@pytest.mark.parametrize(
    ("counts", "steps"),
    [
        ({8: 8, 32: 32}, 10),
        ({8: 15, 32: 63}, 5),  # 2 N - 1
        ({8: 9, 32: 33}, 9),  # N + 1
        ({8: 16}, 5),
        ({8: 128, 32: 512}, 0),
    ],
)
def test_the_most_steps_that_ten_evaluations_pay_for(counts, steps):
    assert steps_within(counts, 10) == steps
