"""A folder is written whole or not at all, whatever is killed and when."""

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sdlab.errors import StoreError
from sdlab.runs import find_run
from sdlab.runs.atomic import write_file, write_folder
from sdlab.runs.leavings import STALE_SECONDS, hidden, mend, recover
from sdlab.runs.listing import list_runs

CRASH = """
import os, sys
from pathlib import Path
from sdlab.runs import atomic
place = sys.argv[1]
def write(folder):
    (folder / "a").write_text("new")
    if place == "writing":
        os.kill(os.getpid(), 9)
    (folder / "b").write_text("new")
if place == "renaming":
    real = Path.rename
    def rename(self, target):
        if self.name.endswith(".new"):
            os.kill(os.getpid(), 9)
        return real(self, target)
    Path.rename = rename
atomic.write_folder(Path(sys.argv[2]), write)
"""


def put(text):
    def write(folder):
        (folder / "a").write_text(text)
        (folder / "b").write_text(text)

    return write


def visible(root):
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


def test_folder_is_written_and_replaced(tmp_path):
    target = tmp_path / "deep" / "x"
    assert write_folder(target, put("one")) == target
    write_folder(target, put("two"))
    assert (target / "a").read_text() == (target / "b").read_text() == "two"
    assert list((tmp_path / "deep").iterdir()) == [target]


def crash(place, target):
    done = subprocess.run([sys.executable, "-c", CRASH, place, str(target)], cwd=Path.cwd())
    assert done.returncode == -9


def test_kill_in_mid_write_leaves_nothing_half(tmp_path):
    crash("writing", tmp_path / "x")
    assert visible(tmp_path) == []


def test_kill_in_mid_write_leaves_the_old_one(tmp_path):
    target = write_folder(tmp_path / "x", put("old"))
    crash("writing", target)
    assert (target / "a").read_text() == (target / "b").read_text() == "old"


def test_kill_between_the_renames_is_mended(tmp_path):
    target = write_folder(tmp_path / "x", put("old"))
    crash("renaming", target)
    assert visible(tmp_path) == []
    recover(target)
    assert (target / "a").read_text() == (target / "b").read_text() == "old"


def test_leavings_are_swept_when_stale(tmp_path):
    stale, fresh, orphan = (
        hidden(tmp_path / "x", "new"),
        hidden(tmp_path / "y", "new"),
        hidden(tmp_path / "z", "old"),
    )
    for path in (stale, fresh, orphan):
        path.mkdir()
        (path / "a").write_text("text")
    for path in (stale, orphan):
        past = path.stat().st_mtime - STALE_SECONDS - 60
        os.utime(path, (past, past))
    write_folder(tmp_path / "w", put("one"))
    assert not stale.exists()
    assert fresh.exists()
    assert (tmp_path / "z" / "a").read_text() == "text"


def test_leavings_of_files_are_swept_when_stale(tmp_path):
    stale, fresh = (hidden(tmp_path / name, "new") for name in ("x.json", "y.zip"))
    link = hidden(tmp_path / "z.json", "new")
    for path in (stale, fresh):
        path.write_text("half")
    past = time.time() - STALE_SECONDS - 60
    os.utime(stale, (past, past))
    link.symlink_to(fresh)
    os.utime(link, (past, past), follow_symlinks=False)
    write_file(tmp_path / "w.json", lambda stream: stream.write(b"{}"))
    assert not stale.exists() and fresh.read_text() == "half"
    assert (tmp_path / "w.json").read_bytes() == b"{}"


def test_what_a_crash_hid_is_listed_at_once(stored):
    """Killed between the two renames: the finished run stands under a hidden name."""
    old = hidden(stored, "old")
    stored.rename(old)
    assert list_runs(stored.parent)["run"].tolist() == [stored.name]
    stored.rename(old)
    assert find_run(stored.parent, stored.name[:6]) == stored


def test_other_errors_pass_and_leave_nothing(tmp_path):
    def fail(folder):
        (folder / "a").write_text("x")
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        write_folder(tmp_path / "x", fail)
    assert list(tmp_path.iterdir()) == []


def test_root_that_is_a_file(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(StoreError, match=r"cannot be written to .*runs.*SDLAB_RUNS"):
        write_folder(tmp_path / "runs" / "x", put("one"))


@contextmanager
def closing_fd(handle):
    try:
        yield
    finally:
        os.close(handle)


def read_at(folder, name):
    with open(os.open(name, os.O_RDONLY, dir_fd=folder)) as file:
        return file.read()


def test_writers_and_readers_at_once(tmp_path):
    """Whatever a reader sees is whole; at the end one writer's folder stands, alone."""
    target = write_folder(tmp_path / "x", put("start"))
    done, whole = threading.Event(), []

    def read():
        while not done.is_set():
            with suppress(FileNotFoundError):  # between two renames, or swept while it is read
                handle = os.open(target, os.O_RDONLY)
                with closing_fd(handle):
                    seen = [read_at(handle, name) for name in ("a", "b")]
                whole.append(seen)

    def write(name):
        for number in range(20):
            write_folder(target, put(f"{name}{number}"))

    writers = [threading.Thread(target=write, args=(name,)) for name in "pq"]
    reader = threading.Thread(target=read)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert whole
    assert all(first == second for first, second in whole)
    assert (target / "a").read_text() == (target / "b").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_what_is_being_written_is_no_leaving(tmp_path):
    """Also not where the clock has jumped by days meanwhile, in another process."""
    past = time.time() - 30 * STALE_SECONDS

    def write(folder):
        (folder / "a").write_text("slow")
        os.utime(folder, (past, past))
        script = f"from pathlib import Path; from sdlab.runs.leavings import mend; {MEND}"
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)

    def write_one(stream):
        stream.write(b"slow")
        for path in tmp_path.glob(".y.*"):
            os.utime(path, (past, past))
        mend(tmp_path)

    assert (write_folder(tmp_path / "x", write) / "a").read_text() == "slow"
    assert write_file(tmp_path / "y", write_one).read_text() == "slow"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "y"]


MEND = "import sys; mend(Path(sys.argv[1]))"


def test_listing_mends_what_was_left(stored):
    root = stored.parent.rename(stored.parents[1] / "not swept yet")
    half = hidden(root / "x", "new")
    half.mkdir()
    past = time.time() - 2 * STALE_SECONDS
    os.utime(half, (past, past))
    list_runs(root)
    assert not half.exists()
    link = root / "linked"
    link.symlink_to(root)
    half.mkdir()
    os.utime(half, (past, past))
    mend(link)
    assert half.exists()
