"""Whose the stored things are, beside them."""

import threading

import pytest

import sdlab
from sdlab.errors import StoreError
from sdlab.runs.index import index_of
from sdlab.runs.owners import EVERYBODY, PLACE, add_owner, all_owners, drop_owner, owners_of
from sdlab.runs.search import Search

ONE, OTHER = "0123456789abcdef", "fedcba9876543210"


def test_two_who_ask_for_the_same_own_it_both(tmp_path):
    add_owner(tmp_path, "run", [ONE, OTHER], "eve")
    add_owner(tmp_path, "run", [ONE, ONE], "anna")
    add_owner(tmp_path, "curve", ["slow start"], "anna")
    assert owners_of(tmp_path, "run", ONE) == ("anna", "eve")
    assert all_owners(tmp_path, "run") == {ONE: ("anna", "eve"), OTHER: ("eve",)}
    drop_owner(tmp_path, "run", ONE, "eve")
    assert owners_of(tmp_path, "run", ONE) == ("anna",)
    drop_owner(tmp_path, "run", OTHER)
    assert all_owners(tmp_path, "run") == {ONE: ("anna",)}
    assert owners_of(tmp_path, "curve", "slow start") == ("anna",)


def test_nobody_in_particular_leaves_no_trace(tmp_path):
    add_owner(tmp_path, "run", [ONE], "")
    add_owner(tmp_path, "run", [], "anna")
    drop_owner(tmp_path, "run", ONE)
    assert owners_of(tmp_path, "run", ONE) == () and list(tmp_path.iterdir()) == []


def test_many_may_write_at_once(tmp_path):
    names = [f"{n:016x}" for n in range(8)]
    threads = [
        threading.Thread(target=add_owner, args=(tmp_path, "run", names, f"person {n}"))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = all_owners(tmp_path, "run")
    assert list(found) == names and {len(of) for of in found.values()} == {8}


def test_a_damaged_table_is_named_and_a_link_is_not_followed(tmp_path):
    (tmp_path / PLACE.parent).mkdir()
    (tmp_path / PLACE).write_bytes(b"no table at all, but long enough to be looked at" * 99)
    with pytest.raises(StoreError, match=r"owners\.sqlite3.*move it away"):
        owners_of(tmp_path, "run", ONE)
    (tmp_path / PLACE).rename(tmp_path / "elsewhere")
    (tmp_path / PLACE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is a link"):
        add_owner(tmp_path, "run", [ONE], "anna")


def test_runs_are_found_by_their_owners(run, stored):
    root = stored.parent
    index = index_of(root)

    def found(*owners: str) -> int:
        index.refresh()
        return len(index.find(Search(owner=owners)))

    assert (found(), found(""), found("anna")) == (1, 1, 0)
    add_owner(root, "run", [run.id], "anna")
    add_owner(root, "run", [run.id], EVERYBODY)
    assert (found(""), found("anna"), found("eve"), found("eve", EVERYBODY)) == (0, 1, 0, 1)
    assert sdlab.runs(root)["owner"].tolist() == ["*, anna"]
    assert index.values("owner") == {EVERYBODY: 1, "anna": 1}
    assert Search.of_pairs(Search(owner=("a", "")).pairs) == Search(owner=("a", ""))
