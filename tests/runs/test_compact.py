"""Runs whose tables went into shards are found, opened, deleted and made again as before."""

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

import sdlab
from sdlab.errors import StoreError
from sdlab.runs import compact
from sdlab.runs.compact import compact_runs
from sdlab.runs.export import export_run, write_zip
from sdlab.runs.listing import list_runs
from sdlab.runs.run_folder import FILES, TABLE_FILES, read_table, table_file
from sdlab.runs.shards import ABOUT, SHARDS, bytes_of, shard_names
from sdlab.runs.sql import query_runs
from sdlab.runs.trash import delete_run, empty_trash, restore_run
from tests.runs.conftest import copy_of as same_tables

KILLED = """
import os, sys
from sdlab.runs.compact import compact_runs
moment, count = int(sys.argv[2]), 0
def touched(event, arguments):
    global count
    if event in ("os.remove", "os.rename", "os.mkdir"):
        count += 1
        if count == moment:
            os.kill(os.getpid(), 9)
sys.addaudithook(touched)
compact_runs(sys.argv[1])
"""


def copy_of(stored, **changes):
    """Store a copy of a run under another experiment, its tables with the new id."""
    target = same_tables(stored, **changes)
    for name in TABLE_FILES:
        pd.read_parquet(target / name).assign(run=target.name).to_parquet(
            target / name, index=False
        )
    return target


@pytest.fixture
def root(stored):
    """Four runs."""
    for seed in range(3):
        copy_of(stored, seed=seed, solver="heun" if seed else "ddim")
    return stored.parent


def own(root):
    """The tables that lie in run folders."""
    return sorted(path for name in TABLE_FILES for path in root.glob(f"[0-9a-f]*/{name}"))


def tables(root):
    """All tables of all runs, as they are opened."""
    runs = [sdlab.open_run(path) for path in sorted(root.glob("[0-9a-f]*"))]
    return {(run.id, name): table for run in runs for name, table in run.tables.items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        pd.testing.assert_frame_equal(one[key], other[key])


def test_a_compacted_run_is_what_it_was(root, run, tmp_path):
    before, listed = tables(root), sdlab.runs(root).drop(columns="bytes")
    zipped = io.BytesIO()
    write_zip(root / run.id, zipped)
    assert compact_runs(root) == (4, 1, 16)
    assert not own(root) and len(list((root / run.id).iterdir())) == len(FILES) - 4
    assert_same(tables(root), before)
    pd.testing.assert_frame_equal(sdlab.runs(root).drop(columns="bytes"), listed)
    assert sdlab.runs(root)["bytes"].sum() + bytes_of(root) < 4 * len(zipped.getvalue())
    again = io.BytesIO()
    write_zip(root / run.id, again)
    names = [set(zipfile.ZipFile(one).namelist()) for one in (zipped, again)]
    assert names[0] == names[1]
    (csv,) = [path for path in export_run(root / run.id, "csv", tmp_path) if "steps" in path.name]
    assert len(pd.read_csv(csv)) == len(run.steps)
    assert compact_runs(root) == (0, 1, 0)  # nothing is left to do


def test_sql_reads_shards_and_folders(root, run, stored):
    sql = "SELECT run, count(*) AS n, min(sigma) AS least FROM steps GROUP BY run ORDER BY run"
    before = query_runs(sql, root)
    compact_runs(root)
    copy_of_own = run.save(root)  # made again: its own tables come first
    assert table_file(copy_of_own, "steps").parent == copy_of_own
    pd.testing.assert_frame_equal(query_runs(sql, root), before)
    assert len(before) == 4


def test_deleted_restored_and_made_again(root, run):
    compact_runs(root)
    before = tables(root)
    delete_run(root, run.id)
    assert run.id not in set(sdlab.runs(root)["run"])
    assert sdlab.open_run(root / ".trash" / run.id).steps.equals(run.steps)
    compact_runs(root)
    restore_run(root, run.id)
    assert_same(tables(root), before)
    changed = run.steps.assign(ms=-1.0)
    again = sdlab.runs.run.Run(
        run.experiment, run.image, run.trace, {**run.tables, "steps": changed}, run.tensors,
        {**run.manifest, "created": "2030-01-01T00:00:00+00:00"},
    )  # fmt: skip
    again.save(root)
    assert (sdlab.open_run(root / run.id).steps["ms"] == -1).all()
    compact_runs(root)
    assert not own(root) and (sdlab.open_run(root / run.id).steps["ms"] == -1).all()


def test_small_shards_are_joined_and_dead_ones_removed(root, run):
    compact_runs(root)
    copy_of(run.save(root), seed=9)
    before = tables(root)
    assert compact_runs(root).shards == 1
    assert_same(tables(root), before)
    assert len(sdlab.runs(root)) == 5
    for name in sdlab.runs(root)["run"]:
        delete_run(root, name)
    empty_trash(root)
    assert compact_runs(root) == (0, 0, 0) and not shard_names(root)


def test_tables_of_another_kind_get_a_shard_of_their_own(root, run):
    odd = copy_of(root / run.id, seed=77)
    read_table(odd, "steps").assign(more=1).to_parquet(odd / "steps.parquet", index=False)
    before = tables(root)
    assert compact_runs(root).shards == 2
    assert_same(tables(root), before)
    assert "more" in read_table(odd, "steps") and "more" not in read_table(root / run.id, "steps")


def test_what_cannot_be_read_is_left_as_it_is(root, run):
    path = root / run.id / "steps.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    assert compact_runs(root).runs == 3
    assert own(root) == sorted(root / run.id / name for name in TABLE_FILES)
    with pytest.raises(StoreError, match=r"steps\.parquet cannot be read"):
        sdlab.open_run(root / run.id)


@pytest.mark.parametrize("name", ["steps.parquet", ABOUT])
def test_a_damaged_shard_is_named(root, run, name):
    compact_runs(root)
    compact.runs_of.__globals__["_runs_of"].cache_clear()
    compact.runs_of.__globals__["_places"].cache_clear()
    path = root / SHARDS / shard_names(root)[0] / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StoreError, match=r"steps\.parquet"):
        sdlab.open_run(root / run.id)


@pytest.mark.parametrize("name", ["steps.parquet", ABOUT])
def test_a_damaged_shard_stays_until_it_is_mended(root, run, name):
    before = tables(root)
    compact_runs(root)
    compact.runs_of.__globals__["_runs_of"].cache_clear()
    compact.runs_of.__globals__["_places"].cache_clear()
    path = root / SHARDS / shard_names(root)[0] / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    new = copy_of(run.save(root), seed=9)
    shutil.rmtree(root / run.id)
    assert compact_runs(root)[:2] == (1, 2)
    path.write_bytes(whole)
    compact.runs_of.__globals__["_places"].cache_clear()
    shutil.rmtree(new)
    before = {key: table for key, table in before.items() if key[0] != run.id}
    assert_same(tables(root), before)


def test_a_folder_copied_without_its_shard_says_where_its_tables_are(root, run, tmp_path):
    compact_runs(root)
    other = tmp_path / "other"
    shutil.copytree(root / run.id, other / run.id)
    with pytest.raises(StoreError, match=r"lacks steps.*copied from.*\.shards.*sdlab export"):
        sdlab.open_run(other / run.id)
    assert "Copy that folder too" in list_runs(other, problem=True)["problem"][0]
    shutil.copytree(root / SHARDS, other / SHARDS)
    assert sdlab.open_run(other / run.id).steps.equals(sdlab.open_run(root / run.id).steps)
    (root / run.id / "image.png").unlink()
    with pytest.raises(StoreError, match=r"lacks image.png; it cannot be opened\.$"):
        sdlab.open_run(root / run.id)


def test_a_link_among_the_shards_is_none(root, run, tmp_path):
    compact_runs(root)
    shard = root / SHARDS / shard_names(root)[0]
    shard.rename(tmp_path / "elsewhere")
    shard.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="lacks steps"):
        sdlab.open_run(root / run.id)


def test_a_run_made_again_meanwhile_keeps_its_tables(root, run, monkeypatch):
    real = compact._write_shard

    def write(place, pieces):
        real(place, pieces)
        run.save(root)  # another process, between the shard and the removal

    monkeypatch.setattr(compact, "_write_shard", write)
    assert compact_runs(root).files == 12
    assert own(root) == sorted(root / run.id / name for name in TABLE_FILES)


def test_two_processes_do_not_compact_one_store(root):
    with (
        compact.held(root / SHARDS / compact.LOCK, ""),
        pytest.raises(StoreError, match="being compacted by another process"),
    ):
        compact_runs(root)


def test_a_store_that_is_not_there(tmp_path):
    assert compact_runs(tmp_path / "none") == (0, 0, 0) and not (tmp_path / "none").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL; runs on Linux and macOS")
def test_killed_at_any_moment_nothing_is_lost(root):
    before = tables(root)
    for moment in (1, 3, 4, 6, 15):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(root), str(moment)], cwd=Path.cwd()
        )
        assert done.returncode == -9
        assert_same(tables(root), before)
        assert (sdlab.runs(root)["problem"] == "").all()
    compact_runs(root)
    assert_same(tables(root), before) if not own(root) else pytest.fail("not compacted")


def test_shards_of_before_are_found_by_a_copy_of_the_store(root, tmp_path):
    compact_runs(root)
    before = tables(root)
    shutil.copytree(root, tmp_path / "copy")
    assert_same(tables(tmp_path / "copy"), before)
    assert os.listdir(tmp_path / "copy" / SHARDS)
