"""The queue on disk: there again in order, whatever ended the server and whatever the disk does."""

import sqlite3

import pytest

from dashboard.worker import queue_on_disk
from dashboard.worker.queue_on_disk import MOST_DEATHS, QueueOnDisk
from sdlab.experiment.experiment import Experiment

RUNS = [Experiment(prompt="x", seed=seed) for seed in range(4)]
ME, NEXT = "a" * 16, "b" * 16


@pytest.fixture
def path(tmp_path):
    return tmp_path / "queue.sqlite3"


def queue_of(path, server=ME, runs=()):
    queue = QueueOnDisk(path, server)
    for run in runs:
        queue.ask(run)
    assert queue.write()
    return queue


def after(path, server=ME):
    """What the next server finds, whether or not the one before closed the file."""
    queue = QueueOnDisk(path, NEXT)
    queue.take_over(server)
    return queue


def test_what_waits_is_there_again_in_order_with_who_asked(path):
    queue = queue_of(path, runs=RUNS[::-1])
    queue.ask(RUNS[2], owner="ada", session="s", frames=False, mix=True)  # anew: the last one now
    queue.drop(RUNS[3].id)
    queue.write()
    found = after(path).all()
    assert [kept.experiment for kept in found] == [RUNS[1], RUNS[0], RUNS[2]]
    assert (found[-1].owner, found[-1].frames, found[-1].mix) == ("ada", False, True)
    assert found[-1].session not in ("", "s")


def test_who_asks_exactly_for_what_waits_gets_it_so_after_a_restart(path):
    queue = queue_of(path)
    queue.ask(RUNS[0], mix=True)
    queue.make_exact(RUNS[0].id)
    queue.make_exact("nobody asked")
    queue.write()
    assert [kept.mix for kept in after(path).all()] == [False]


def test_it_is_ordered_by_a_counter_also_after_a_restart(path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: -1.0)
    queue_of(path, runs=RUNS[:2])
    second = after(path)
    second.ask(RUNS[2])
    assert [kept.number for kept in second.all()] == [1, 2, 3]


def test_a_failure_is_listed_again_until_it_is_dismissed(path, monkeypatch):
    monkeypatch.setattr(queue_on_disk, "ENDED_KEPT", 2)
    queue = queue_of(path, runs=RUNS)
    for run in RUNS[:3]:
        queue.fail(run.id, "out of paint")
    queue.write()
    second = after(path)
    assert [(kept.state, kept.error) for kept in second.all()] == [
        ("failed", "out of paint"),
        ("failed", "out of paint"),
        ("waiting", ""),
    ]
    second.drop(RUNS[2].id)
    second.write()
    third = QueueOnDisk(path, "c" * 16)
    third.take_over(NEXT)
    assert [kept.experiment for kept in third.all()] == [RUNS[1], RUNS[3]]


def test_another_servers_runs_are_left_alone(path):
    queue_of(path, runs=RUNS[:1])
    other = queue_of(path, NEXT, runs=RUNS[1:2])
    assert [kept.experiment for kept in other.all()] == [RUNS[1]]
    assert other.others() == [ME]


def test_a_run_that_two_dead_servers_had_is_there_once(path):
    queue_of(path, runs=RUNS[:2])
    queue_of(path, NEXT, runs=RUNS[1:3])
    third = QueueOnDisk(path, "c" * 16)
    third.take_over(ME)
    third.take_over(NEXT)
    assert sorted(kept.experiment.seed for kept in third.all()) == [0, 1, 2]
    assert third.others() == []


def test_a_run_at_whose_same_point_two_servers_ended_is_set_aside(path):
    queue = queue_of(path, runs=RUNS[:2])
    assert queue.blame([RUNS[0].id], "evaluation 3", "the server ended") == []
    (aside,) = queue.blame([RUNS[0].id], "evaluation 3", "the server ended")
    assert aside.error.startswith("Set aside: the server ended 2 times")
    assert [kept.waits for kept in queue.all()] == [False, True]
    queue.ask(RUNS[0])  # by hand: it has one more chance
    assert len(queue.blame([RUNS[0].id], "evaluation 3", "the server ended")) == 1


def test_ends_from_outside_hit_a_run_at_another_point_each_time(path):
    queue = queue_of(path, runs=RUNS[:1])
    asides = [queue.blame([RUNS[0].id], f"evaluation {n}", "it") for n in range(MOST_DEATHS)]
    assert [len(aside) for aside in asides] == [0] * (MOST_DEATHS - 1) + [1]


def test_who_shared_a_call_is_only_suspected(path):
    queue = queue_of(path, runs=RUNS[:2])
    both = [run.id for run in RUNS[:2]]
    assert queue.blame(both, "evaluation 3", "it") == queue.blame(both, "evaluation 3", "it") == []
    assert [one.id for one in queue.blame(both[1:], "evaluation 3", "it")] == both[1:]


def test_a_full_disk_is_said_and_what_waits_is_written_when_there_is_room(path):
    queue = queue_of(path)
    most = queue._file._connection.execute("PRAGMA page_count").fetchone()[0]
    asked = [RUNS[0].with_(seed=seed) for seed in range(40)]
    queue._file._connection.execute(f"PRAGMA max_page_count={most}")  # as on a full disk
    for run in asked:
        queue.ask(run)
    assert not queue.write() and not queue.write()
    assert "cannot be written to the disk (database or disk is full)" in queue.trouble
    assert [kept.experiment for kept in queue.all()] == asked
    queue._file._connection.execute("PRAGMA max_page_count=100000")
    assert queue.write() and queue.trouble == ""
    assert [kept.experiment for kept in after(path).all()] == asked


def test_a_folder_in_which_nothing_can_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    queue = QueueOnDisk(tmp_path / "file" / "queue.sqlite3", ME)
    queue.ask(RUNS[0])
    assert not queue.write() and queue.all() and "would be lost" in queue.trouble


def test_a_file_that_somebody_removed_is_written_anew(path):
    queue = queue_of(path, runs=RUNS[:2])
    path.unlink()
    queue.ask(RUNS[2])
    assert queue.write()
    assert [kept.experiment for kept in after(path).all()] == RUNS[:3]


def test_a_link_is_not_followed(path, tmp_path):
    (tmp_path / "else").write_text("")
    path.symlink_to(tmp_path / "else")
    queue = QueueOnDisk(path, ME)
    assert "no plain file" in queue.trouble and (tmp_path / "else").read_text() == ""


@pytest.mark.parametrize("content", [b"no database" * 99, b"SQLite format 3\0" + b"\7" * 4096])
def test_a_damaged_file_is_put_aside_and_said(path, content):
    path.write_bytes(content)
    queue = queue_of(path, runs=RUNS[:1])
    (said,) = queue.unreadable()
    assert "put aside" in said and path.with_name("queue.sqlite3.damaged").read_bytes() == content
    assert [kept.experiment for kept in after(path).all()] == RUNS[:1]


def test_a_table_of_somebody_elses_is_put_aside(path):
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE runs (other TEXT)")
    assert "put aside" in queue_of(path, runs=RUNS[:1]).unreadable()[0]


def test_a_newer_versions_file_is_left_alone(path):
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version=99")
    assert "newer version" in QueueOnDisk(path, ME).trouble


@pytest.mark.parametrize("told", ["5", "{}", '{"experiment": {"seed": "x"}}', "[" * 99999, b"\xff"])
def test_a_spoilt_row_is_passed_over_and_named(path, told):
    queue_of(path, runs=RUNS[:1]).close()
    with sqlite3.connect(path) as spoiling:
        spoiling.execute("INSERT INTO runs VALUES (?, 'x', 9, ?)", (ME, told))
    queue = after(path)
    assert [kept.experiment for kept in queue.all()] == RUNS[:1]
    assert "'x', cannot be read" in queue.unreadable()[0]
