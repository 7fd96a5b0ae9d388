"""How far a task is, in words."""

from dataclasses import replace

import pytest

from dashboard.widgets.job_panel import progress_text
from dashboard.widgets.task_panel import readable_seconds
from dashboard.worker.snapshots import RunSnapshot
from sdlab.experiment.experiment import Experiment

RUN = Experiment(prompt="x").id


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59.4, "59 s"), (125, "2 min 5 s"), (3780, "1 h 3 min")],
)
def test_durations_in_words(seconds, words):
    assert readable_seconds(seconds) == words


def test_progress_in_words():
    view = RunSnapshot(RUN, "running", 6, 25, 11.2, experiment=Experiment(), rate=1.666)
    assert progress_text(view) == "Evaluation 6 of 25 · 1.67 steps/s · 11 s left"
    assert progress_text(replace(view, state="saving")) == "Saving …"
