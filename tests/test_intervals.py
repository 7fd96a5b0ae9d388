"""Student's interval of a mean, against its tables."""

import math

import pytest

from sdlab.intervals import half_width


def test_half_of_students_interval_is_that_of_the_tables():
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.302653 / math.sqrt(3))
    assert half_width([1.0, 2.0, 3.0], freedom=10) == pytest.approx(2.228139 / math.sqrt(3))
    assert half_width([5.0, 5.0]) == 0


def test_one_value_has_no_interval():
    assert math.isnan(half_width([4.0])) and math.isnan(half_width([]))
