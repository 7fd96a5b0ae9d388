"""Which servers live, and what those that do not were doing."""

import signal
import subprocess
import sys

import pytest

from dashboard.worker.living_servers import LastWork, LivingServer

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
