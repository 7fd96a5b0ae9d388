"""How long a run waits: as its turns say, whatever others have asked for."""

import math

import pytest

from dashboard.worker.run_task import RunTask
from dashboard.worker.snapshots import RunSnapshot, Snapshot
from dashboard.worker.task import Priority, Task
from dashboard.worker.turns import SHORT_SECONDS, Shares
from dashboard.worker.waiting_time import seconds_until_done, work_left, work_of_people
from sdlab.experiment.experiment import Experiment
from tests.dashboard.worker.waiting import ended, running, until


@pytest.mark.parametrize("others", [[], [1.0], [100.0], [3.0, 50.0, 7.5], [0.5, 0.5, 4.0]])
@pytest.mark.parametrize("own", [0.6, 4.0, 20.0])
def test_the_forecast_is_when_the_turns_come_to_the_end(own, others):
    """Work in small pieces, served by the very turns that the worker takes."""
    shares, piece, spent = Shares(lambda: 0.0), 0.01, 0.0
    shares.people.ahead = 0.0
    left = {"own": own} | {f"other {number}": work for number, work in enumerate(others)}
    tasks = {who: Task(Snapshot(who), Priority.RUN, owner=who) for who in left}
    shares.note_busy(list(left))
    shares._had = {who: SHORT_SECONDS for who, work in left.items() if work > SHORT_SECONDS}
    shares._had.pop("own", None)
    while left["own"] > 1e-9:
        task = min((tasks[who] for who, work in left.items() if work > 1e-9), key=shares.place)
        shares.spend(task, piece)
        left[task.owner] -= piece
        spent += piece
    assert seconds_until_done(own / 2, (work / 2 for work in others), speed=2.0) == pytest.approx(
        spent, abs=0.3
    )


def test_work_is_evaluations_by_pixels():
    small = RunTask(RunSnapshot("", experiment=Experiment(num_steps=5)), Priority.RUN)
    assert work_left(small, (128, 128)) == 5 * 128**2
    assert work_left(small, None) == 5 * 512**2
    wide = Experiment(num_steps=2, width=1024, height=64)
    assert work_left(RunTask(RunSnapshot("", experiment=wide), Priority.RUN), None) == 2 * 65536


def test_a_study_has_no_known_end():
    one, two = (RunTask(RunSnapshot("", experiment=Experiment()), Priority.RUN) for _ in "ab")
    one.session, two.session = "a", "b"
    study = Task(Snapshot(""), Priority.STUDY, session="c")
    found = work_of_people({one: 3.0, two: 4.0}, [study], but="a")
    assert found == {"b": 4.0, "c": math.inf}


def test_a_run_that_waits_behind_its_own_persons_says_how_long(make_worker, monkeypatch):
    monkeypatch.setattr("dashboard.worker.scheduler.IN_FLIGHT", 1)
    worker = make_worker()
    first = worker.submit(Experiment(seed=1, num_steps=300), session="a")
    second = worker.submit(Experiment(seed=2, num_steps=30), session="a")
    running(worker, first)
    assert until(lambda: worker.known_runs.seconds_until_done(second)) > 0
    assert worker.known_runs.seconds_until_done("no run") is None
    worker.cancel(first, "a")
    assert ended(worker, second).state == "done"
    assert worker.known_runs.seconds_until_done(second) is None
