"""The pace that is tried out before a comparison: of one call of the network, set-up apart."""

from itertools import count

import pytest

from sdlab.comparing import pace
from sdlab.experiment.experiment import Experiment


def test_the_second_call_is_timed_and_shared_by_all_in_it(embedded, monkeypatch):
    runs = [Experiment("a sun", seed=seed, num_steps=3, width=64, height=64) for seed in range(10)]
    clock = count()
    monkeypatch.setattr(pace, "perf_counter", lambda: float(next(clock)))
    assert pace.evaluation_seconds(embedded, runs[:1]) > 0
    many = pace.evaluation_seconds(embedded, runs)
    assert many == pytest.approx(pace.evaluation_seconds(embedded, runs[:1]) / pace.TOGETHER)


def test_what_cannot_run_is_not_timed(embedded):
    with pytest.raises(ValueError, match="width"):
        pace.evaluation_seconds(embedded, [Experiment("a sun", width=20, height=64)])
