"""The runs in the engine: the pace at which they go."""

from dashboard.shell.messages import sentence
from dashboard.worker.runs_in_flight import RunsInFlight
from dashboard.worker.tasks import Tasks


def test_the_pace_is_of_the_rounds_that_other_load_slowed_least(tmp_path):
    flight = RunsInFlight(Tasks(sentence), None, tmp_path, print)
    assert flight.pace is None
    for _ in range(20):
        flight._measure(2, 6.4)  # learned while the machine was busy
    assert flight.pace == 3.2
    flight._measure(0, 9.0)  # only decoded
    for _ in range(8):
        flight._measure(2, 0.4)
    assert flight.pace == 0.2
    flight._measure(2, 6.4)
    assert flight.pace == 0.2
    flight.forget_pace()
    assert flight.pace is None
