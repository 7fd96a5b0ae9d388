"""Runs that a server left behind: found again, whatever lies beside them."""

import os

import pytest

from dashboard.worker.interrupted_runs import InterruptedRuns
from sdlab.experiment.experiment import Experiment

RUN = Experiment(prompt="x").id


def test_the_runs_of_a_dead_process_are_found(tmp_path):
    dead = tmp_path / "live" / "999999999-1"
    dead.mkdir(parents=True)
    experiment = Experiment(prompt="left over")
    (dead / f"{experiment.id}.json").write_text(experiment.to_json())
    (dead / "broken.json").write_text("{")
    assert InterruptedRuns(tmp_path).recover() == [experiment]
    assert not dead.exists()
    assert InterruptedRuns(tmp_path).recover() == [experiment]


@pytest.mark.parametrize(
    "text",
    ["5", "[]", '{"record": 5}', '{"model": ["x"]}', '{"seed": 1e999}', "[" * 99999, '{"x": 1}'],
)
def test_a_spoilt_note_is_passed_over_and_named(tmp_path, text):
    folder = tmp_path / "interrupted"
    folder.mkdir(parents=True)
    (folder / f"{RUN}.json").write_text(Experiment(prompt="x").to_json())
    (folder / "0123456789abcdef.json").write_text(text)
    interrupted = InterruptedRuns(tmp_path)
    (found,) = interrupted.recover()
    (said,) = interrupted.unreadable
    assert "0123456789abcdef.json cannot be read" in said
    assert found.id == RUN and found.to_json()


def test_a_pipe_among_the_notes_is_passed_over(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs pipes with a name; runs on POSIX")
    (tmp_path / "interrupted").mkdir()
    os.mkfifo(tmp_path / "interrupted" / f"{RUN}.json")
    assert InterruptedRuns(tmp_path).recover() == []


def test_another_living_server_is_left_alone(tmp_path):
    first, second = InterruptedRuns(tmp_path), InterruptedRuns(tmp_path)
    first.begin(Experiment(prompt="x"))
    assert second.recover() == []
    first.end(RUN)
    assert not list((tmp_path / "live").rglob("*.json"))


def test_notes_that_cannot_be_written_cost_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    notes = InterruptedRuns(tmp_path / "file")
    notes.begin(Experiment())
    notes.interrupt(Experiment().id)
    assert notes.recover() == []
