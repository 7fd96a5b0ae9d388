"""Which servers live, and what those that do not were doing."""

import signal
import subprocess
import sys

import pytest

from dashboard.worker.living_servers import LastWork, LivingServer
from dashboard.worker.queue_on_disk import QueueOnDisk
from tests.dashboard.worker.waiting import SHORT, ended, until

HOLDS = """
import sys, time
from pathlib import Path
from dashboard.worker.living_servers import LivingServer
server = LivingServer(Path(sys.argv[1]))
server.note(["0123456789abcdef"], "evaluation 3")
print(server.name, flush=True)
time.sleep(600)
"""


@pytest.fixture
def other(tmp_path):
    """Another server's process, and its name."""
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process, process.stdout.readline().strip()
        process.kill()


def test_a_server_that_was_killed_is_found_with_what_it_did(tmp_path, other):
    process, name = other
    server = LivingServer(tmp_path)
    with server.burying([name]) as dead:
        assert dead == {}
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    with server.burying() as dead:
        assert dead == {name: LastWork(("0123456789abcdef",), "evaluation 3")}
    with server.burying() as dead:
        assert dead == {}
    assert {path.stem for path in tmp_path.iterdir()} == {server.name}


def test_one_that_ended_well_leaves_nothing(tmp_path):
    first, second = LivingServer(tmp_path), LivingServer(tmp_path)
    first.note(["0" * 16], "decoding")
    first.end()
    assert {path.stem for path in tmp_path.iterdir()} == {second.name}
    with second.burying([first.name, "../elsewhere"]) as dead:
        assert dead == {first.name: LastWork()}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"runs": 5, "point": ""}'])
def test_a_spoilt_note_says_nothing(tmp_path, text):
    (tmp_path / f"{'a' * 16}.lock").touch()
    (tmp_path / f"{'a' * 16}.note").write_text(text)
    with LivingServer(tmp_path).burying() as dead:
        assert dead == {"a" * 16: LastWork()}


def test_where_nothing_can_be_written_it_lives_unseen(tmp_path):
    (tmp_path / "file").touch()
    server = LivingServer(tmp_path / "file")
    server.note(["x"], "y")
    server.end()


def test_what_a_server_leaves_that_dies_meanwhile_is_made_by_one_that_lives(make_worker):
    worker = make_worker()
    worker._inheriting.pause = 0.0
    own = worker.runs / ".dashboard"
    other = LivingServer(own / "servers")
    queue = QueueOnDisk(own / "queue.sqlite3", other.name)
    queue.ask(SHORT)
    queue.close()
    assert ended(worker, worker.submit(SHORT.with_(seed=5))).state == "done"
    assert worker.get(SHORT.id) is None  # the other lives
    other._life.close()  # as the system does, however it ends
    until(lambda: worker.get(SHORT.id))
    assert ended(worker, SHORT.id).state == "done"
    assert SHORT.id in {run.id for run in worker.known_runs.left}


def test_what_was_done_meanwhile_is_not_taken_over_again(tmp_path):
    """It is dropped in memory, and not on the disk yet."""
    queue = QueueOnDisk(tmp_path / "queue.sqlite3", "a" * 16)
    queue.ask(SHORT)
    queue.write()
    queue.drop(SHORT.id)
    last = queue.ask(SHORT.with_(seed=5))
    queue.take_over("b" * 16)
    assert [kept.id for kept in queue.all()] == [last.id]
    assert queue.ask(SHORT.with_(seed=6)).number > last.number
