"""What is deleted lies in the trash until it is restored or the trash is emptied."""

import os
from datetime import UTC, datetime, timedelta

import pytest

import sdlab
from sdlab.errors import StoreError
from sdlab.runs import TRASH
from sdlab.runs.curves import curve_names, load_curve, save_curve
from sdlab.runs.grids import list_grids, save_grid
from sdlab.runs.lock import LOCK
from sdlab.runs.owners import add_owner, owners_of
from sdlab.runs.parts import COMPARISONS
from sdlab.runs.trash import (
    KINDS,
    delete,
    delete_run,
    empty_trash,
    list_trash,
    restore,
    restore_run,
)
from sdlab.sweeping.sweep_folder import SweepFolder, list_sweeps
from tests.runs.conftest import copy_of
from tests.runs.test_no_room import CURVE, GRID, SCHEDULE


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


def test_what_was_made_again_keeps_its_owners_when_the_trash_is_emptied(run, stored):
    root = stored.parent
    add_owner(root, "run", [run.id], "anna")
    delete_run(root, run.id)
    run.save(root)
    assert empty_trash(root) == 1 and owners_of(root, "run", run.id) == ("anna",)
    delete_run(root, run.id)
    assert empty_trash(root) == 1 and owners_of(root, "run", run.id) == ()


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


@pytest.fixture
def store(run, stored):
    """A store with one of each kind, and their names by kind."""
    root = stored.parent
    save_grid(GRID, root)
    save_curve("mine", CURVE, SCHEDULE, root)
    SweepFolder(root, GRID.id).save(GRID)
    (root / COMPARISONS / GRID.id).mkdir(parents=True)
    (root / COMPARISONS / GRID.id / "manifest.json").write_text("{}")
    return root, {"run": run.id, "curve": "mine"}


def contents(root):
    files = (path for path in root.rglob("*") if path.is_file() and path.name != LOCK)
    return {path.relative_to(root): path.read_bytes() for path in files}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_goes_to_the_trash_and_comes_back(store, kind):
    root, names = store
    name, before = names.get(kind, GRID.id), contents(root)
    delete(root, kind, name)
    (deleted,) = list_trash(root)
    assert (deleted.kind, deleted.name) == (kind, name) and deleted.bytes > 0
    left = {
        "run": sdlab.runs(root)["run"].tolist(),
        "comparison": list((root / COMPARISONS).iterdir()),
        "sweep": list_sweeps(root),
        "grid": list_grids(root),
        "curve": curve_names(root),
    }
    assert [of for of, listed in left.items() if not listed] == [kind]
    with pytest.raises(StoreError, match=f"No {kind} {name} is stored"):
        delete(root, kind, name)
    restore(root, kind, name)
    assert contents(root) == before
    assert load_curve("mine", root) == CURVE
    delete(root, kind, name)
    assert empty_trash(root) == 1 and list_trash(root) == []
    assert not [path for path in (root / TRASH).rglob("*") if path.is_file()]


def test_a_sweep_that_is_being_made_is_not_deleted(store):
    root, _ = store
    with (
        SweepFolder(root, GRID.id).held(),
        pytest.raises(StoreError, match="is being made; cancel it"),
    ):
        delete(root, "sweep", GRID.id)
    delete(root, "sweep", GRID.id)


def test_a_kind_that_is_none_is_named(stored):
    with pytest.raises(ValueError, match="comparison"):
        delete(stored.parent, "comparisson", "0" * 16)


def test_what_was_half_deleted_for_ever_is_not_listed(run, stored, monkeypatch):
    delete_run(stored.parent, run.id)
    monkeypatch.setattr("sdlab.runs.trash.remove", lambda path: 1 / 0)  # as a kill does
    with pytest.raises(ZeroDivisionError):
        empty_trash(stored.parent)
    assert list_trash(stored.parent) == []
    with pytest.raises(StoreError, match="is in the trash"):
        restore_run(stored.parent, run.id)
