"""What is deleted lies in the trash until it is restored or the trash is emptied."""

import os
from datetime import UTC, datetime, timedelta

import pytest

import sdlab
from sdlab.errors import StoreError
from sdlab.runs import TRASH
from sdlab.runs.trash import delete_run, empty_trash, list_trash, restore_run
from tests.runs.conftest import copy_of


def test_a_run_goes_to_the_trash_and_comes_back(run, stored):
    root = stored.parent
    before = {path.name: path.read_bytes() for path in stored.iterdir()}
    assert list_trash(root) == []
    delete_run(root, run.id)
    assert sdlab.runs(root).empty and not stored.exists()
    (deleted,) = list_trash(root)
    assert deleted.name == run.id and deleted.bytes == sum(map(len, before.values()))
    assert timedelta(0) <= datetime.now(UTC) - deleted.deleted < timedelta(minutes=10)
    restore_run(root, run.id)
    assert {path.name: path.read_bytes() for path in stored.iterdir()} == before
    assert sdlab.runs(root)["run"].tolist() == [run.id] and list_trash(root) == []
    assert sdlab.open_run(stored).id == run.id


def test_what_was_made_again_is_not_replaced(run, stored):
    root = stored.parent
    delete_run(root, run.id)
    run.save(root)
    with pytest.raises(StoreError, match="made again since it was deleted"):
        restore_run(root, run.id)
    (stored / "note").write_text("the second")
    delete_run(root, run.id)
    assert (root / TRASH / run.id / "note").is_file() and len(list_trash(root)) == 1
    assert [path.name for path in (root / TRASH).iterdir()] == [run.id]


def test_the_trash_is_emptied(run, stored, tmp_path):
    other, root = copy_of(stored, seed=1), stored.parent
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("stays")
    link = root / ("a" * 16)
    link.symlink_to(elsewhere)
    for name in (run.id, other.name, link.name):
        delete_run(root, name)
    assert len(list_trash(root)) == 3
    assert empty_trash(root) == 3 and list_trash(root) == [] and empty_trash(root) == 0
    assert (elsewhere / "file").read_text() == "stays"
    with pytest.raises(StoreError, match="is in the trash"):
        restore_run(root, run.id)


@pytest.mark.parametrize("act", [delete_run, restore_run])
def test_an_id_names_no_other_place(stored, act):
    for name in ("../x", "..", ".grids", "", "A" * 16):
        with pytest.raises(StoreError, match="is no run id"):
            act(stored.parent, name)
    with pytest.raises(StoreError, match="No run 0000000000000000"):
        act(stored.parent, "0" * 16)


def test_a_trash_that_cannot_be_made_leaves_the_run(run, stored):
    (stored.parent / TRASH).write_text("in the way")
    with pytest.raises(StoreError, match="cannot be moved"):
        delete_run(stored.parent, run.id)
    assert os.path.isdir(stored) and sdlab.open_run(stored).id == run.id
