"""The pace of the runs in the engines."""

import random
import sys
import threading

import pytest

from dashboard.worker.pace import PACED, Pace


def test_the_pace_is_that_of_late_with_all_that_a_run_needs():
    pace = Pace()
    pace.note(0, 0, 9.0)  # a decoding of which no evaluation is known
    assert pace.seconds is None
    for _ in range(20):
        pace.note(2, 200, 6.4)
    assert pace.seconds == pytest.approx(3.2)
    for _ in range(PACED):
        pace.note(8, 800, 1.6)
    assert pace.seconds == pytest.approx(0.2)  # what was learned on a busy machine is forgotten
    pace.note(0, 0, 1.6 * PACED)  # decoding and saving count
    assert pace.seconds == pytest.approx(0.4)
    assert pace.of_pixel == pytest.approx(0.004)
    pace.forget()
    assert pace.seconds is None and pace.of_pixel is None


def test_the_forecast_is_within_a_factor_of_what_the_same_rounds_take():
    """Of rounds that differ as they do: other load, decodings, previews; no clock is read."""
    pace = Pace()
    chance = random.Random(0)
    for _ in range(PACED):
        pace.note(8, 800, 0.5 * chance.choice((1.0, 1.0, 1.5, 3.0)))
        pace.note(0, 0, chance.choice((0.0, 0.0, 0.2)))
    rounds = [(8, 0.5 * chance.choice((1.0, 1.0, 1.5, 3.0))) for _ in range(200)]
    real = sum(seconds + chance.choice((0.0, 0.0, 0.2)) for _, seconds in rounds)
    forecast = pace.seconds * sum(count for count, _ in rounds)
    assert 1 / 1.5 < forecast / real < 1.5


def test_pages_ask_for_the_pace_while_the_worker_notes_it():
    pace, done = Pace(), threading.Event()

    def worker():
        while not done.is_set():
            pace.note(1, 1, 0.1)

    before, thread = sys.getswitchinterval(), threading.Thread(target=worker)
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        for _ in range(3000):
            assert pace.seconds is None or pace.seconds == pytest.approx(0.1)
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(before)
