"""Long computations: their progress, their value, and that what they run is closed."""

from collections.abc import Generator

import pytest

from sdlab.work import counted, drive, driving, finish


class Asking:
    """A generator that asks for the squares of 0, 1, 2 and returns their sum."""

    closed = False

    def run(self) -> Generator[int, int, int]:
        """Yield what is to be squared."""
        try:
            answers = []
            for number in range(3):
                answers.append((yield number))
            return sum(answers)
        finally:
            self.closed = True


def square(number: int) -> int:
    return number * number


def test_drive_answers_every_request_and_returns_the_value():
    assert drive(Asking().run(), square) == 0 + 1 + 4


def test_drive_closes_the_generator_when_the_answer_fails():
    asking = Asking()
    with pytest.raises(ZeroDivisionError):
        drive(asking.run(), lambda number: 1 // number)
    assert asking.closed


def test_driving_tells_of_every_answer_before_it_is_sent():
    asking, seen = Asking(), []
    work = driving(asking.run(), square, 3)
    assert finish(work, lambda done, total: seen.append((done, total, asking.closed))) == 5
    assert seen == [(1, 3, False), (2, 3, False), (3, 3, False)]


def test_leaving_a_driven_generator_closes_it():
    asking = Asking()
    work = driving(asking.run(), square, 3)
    next(work)
    work.close()
    assert asking.closed


def test_a_part_counts_on_from_where_the_whole_stands():
    asking, seen = Asking(), []
    work = counted(driving(asking.run(), square, 3), 10, 20)
    assert finish(work, lambda done, total: seen.append((done, total))) == 5
    assert seen == [(11, 20), (12, 20), (13, 20)]
