"""The runs in the engine: the pace at which they go."""

import random

import pytest

from dashboard.shell.messages import sentence
from dashboard.worker.runs_in_flight import PACED, RunsInFlight
from dashboard.worker.tasks import Tasks


def test_the_pace_is_that_of_late_with_all_that_a_run_needs(tmp_path):
    flight = RunsInFlight(Tasks(sentence), None, tmp_path, print)
    flight._measure(0, 9.0)  # a decoding of which no evaluation is known
    assert flight.pace is None
    for _ in range(20):
        flight._measure(2, 6.4)
    assert flight.pace == pytest.approx(3.2)
    for _ in range(PACED):
        flight._measure(8, 1.6)
    assert flight.pace == pytest.approx(0.2)  # what was learned on a busy machine is forgotten
    flight._measure(0, 1.6 * PACED)  # decoding and saving count
    assert flight.pace == pytest.approx(0.4)
    flight.forget_pace()
    assert flight.pace is None


def test_the_forecast_is_within_a_factor_of_what_the_same_rounds_take(tmp_path):
    """Of rounds that differ as they do: other load, decodings, previews; no clock is read."""
    flight = RunsInFlight(Tasks(sentence), None, tmp_path, print)
    chance = random.Random(0)
    for _ in range(PACED):
        flight._measure(8, 0.5 * chance.choice((1.0, 1.0, 1.5, 3.0)))
        flight._measure(0, chance.choice((0.0, 0.0, 0.2)))
    rounds = [(8, 0.5 * chance.choice((1.0, 1.0, 1.5, 3.0))) for _ in range(200)]
    real = sum(seconds + chance.choice((0.0, 0.0, 0.2)) for _, seconds in rounds)
    forecast = flight.pace * sum(count for count, _ in rounds)
    assert 1 / 1.5 < forecast / real < 1.5
