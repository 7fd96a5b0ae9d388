"""Notes that servers up to version 0.7 left behind: read once, whatever lies beside them."""

import os

import pytest

from dashboard.worker.living_servers import LivingServer
from dashboard.worker.older_notes import older_notes
from dashboard.worker.queue_on_disk import QueueOnDisk
from dashboard.worker.taking_over import take_over
from sdlab.experiment.experiment import Experiment

RUN = Experiment(prompt="x")


def note(folder, experiment=RUN, text=None):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{experiment.id}.json"
    path.write_text(experiment.to_json() if text is None else text)
    return path


def test_they_are_moved_into_the_queue_once(tmp_path):
    note(tmp_path / "live" / "999999999-1")
    other = Experiment(prompt="left over")
    note(tmp_path / "interrupted", other)
    server = LivingServer(tmp_path / "servers")
    kept = QueueOnDisk(tmp_path / "queue.sqlite3", server.name)
    assert take_over(kept, server, tmp_path) == []
    assert {run.experiment for run in kept.all()} == {RUN, other}
    assert {run.state for run in kept.all()} == {"interrupted"}
    assert not list((tmp_path / "live").iterdir()) and not (tmp_path / "interrupted").exists()
    kept.close()
    server.end()


@pytest.mark.parametrize(
    "text",
    ["5", "[]", '{"record": 5}', '{"model": ["x"]}', '{"seed": 1e999}', "[" * 99999, '{"x": 1}'],
)
def test_a_spoilt_note_is_passed_over_and_named(tmp_path, text):
    good = note(tmp_path / "interrupted")
    (tmp_path / "interrupted" / "0123456789abcdef.json").write_text(text)
    found, (said,) = older_notes(tmp_path)
    assert "0123456789abcdef.json cannot be read" in said
    assert found == {good: RUN}


def test_a_pipe_among_the_notes_is_passed_over(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs pipes with a name; runs on POSIX")
    (tmp_path / "interrupted").mkdir()
    os.mkfifo(tmp_path / "interrupted" / f"{RUN.id}.json")
    assert older_notes(tmp_path)[0] == {}


def test_the_notes_of_a_process_that_lives_are_left_alone(tmp_path):
    import psutil

    started = psutil.Process().create_time()
    path = note(tmp_path / "live" / f"{os.getpid()}-{started:.0f}")
    assert older_notes(tmp_path) == ({}, []) and path.exists()
