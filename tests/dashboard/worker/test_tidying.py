"""The server tidies its store by the operator's rules, and says what is in the way."""

import shutil
import time

import pytest

from dashboard.worker.tidying import Tidying
from sdlab.runs import TRASH
from sdlab.runs.retention import GIB, Retention
from sdlab.runs.row import size_of
from sdlab.runs.trash import list_trash
from tests.test_version_before import FOLDERS


@pytest.fixture
def store(tmp_path):
    """A store with two runs."""
    for folder in FOLDERS[:2]:
        shutil.copytree(folder, tmp_path / "runs" / folder.name)
    return tmp_path / "runs"


def until(found):
    for _ in range(600):
        if found():
            return True
        time.sleep(0.05)
    return False


def test_a_store_is_tidied(store):
    sizes = [size_of(store / folder.name) for folder in FOLDERS[:2]]
    rules = Retention(gib=(sum(sizes) - 1) / GIB)
    tidying = Tidying(store, rules, first_seconds=0.0)
    assert until(lambda: len(list_trash(store)) == 1) and tidying.problem == ""
    tidying.stop()


def test_what_is_in_the_way_is_said(store):
    (store / TRASH).write_text("in the way")
    tidying = Tidying(store, Retention(gib=1e-6), first_seconds=0.0)
    assert until(lambda: "cannot be moved" in tidying.problem)
    tidying.stop()


def test_without_rules_there_is_no_thread(tmp_path):
    tidying = Tidying(tmp_path, Retention())
    assert not tidying._thread.is_alive()
    tidying.stop()
