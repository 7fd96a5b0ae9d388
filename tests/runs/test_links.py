"""No link is followed out of the store, whatever is done: list, open, mark, delete, compact, ..."""

import io
import shutil
import zipfile

import pytest

import sdlab
from sdlab.comparing.result import open_result
from sdlab.errors import StoreError
from sdlab.experiment.grid import Grid
from sdlab.runs import TRASH
from sdlab.runs.compact import compact_runs
from sdlab.runs.curves import load_curve
from sdlab.runs.export import export_run, write_zip
from sdlab.runs.grids import FOLDER as GRIDS
from sdlab.runs.grids import list_grids, open_grid, save_grid
from sdlab.runs.index import CACHE, RunIndex
from sdlab.runs.marks import mark, read_marks
from sdlab.runs.parts import COMPARISONS, parts
from sdlab.runs.run_folder import read_table
from sdlab.runs.search import Search
from sdlab.runs.shards import SHARDS, shard_names
from sdlab.runs.sql import query_runs
from sdlab.runs.sweep_parts import SPEC
from sdlab.runs.tables import chosen_runs
from sdlab.runs.trash import (
    KINDS,
    delete,
    delete_run,
    empty_trash,
    list_trash,
    restore,
    restore_run,
)
from sdlab.sending.parcel import parcel_of
from sdlab.sweeping.search import FILE as SEARCHED
from sdlab.sweeping.search import Search as SearchFor
from sdlab.sweeping.search import searching
from sdlab.sweeping.sweep_folder import ERRORS, SweepFolder, find_sweep, list_sweeps


@pytest.fixture
def outside(run, tmp_path):
    """A whole run elsewhere, and what all of its files hold."""
    folder = run.save(tmp_path / "elsewhere")
    return folder, contents(folder.parent)


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def root(outside, tmp_path):
    """A store whose one run is a link to that elsewhere."""
    root = tmp_path / "store"
    root.mkdir()
    (root / outside[0].name).symlink_to(outside[0])
    return root


def test_a_linked_run_is_listed_as_damaged_and_not_read(root, outside, tmp_path):
    name = outside[0].name
    row = sdlab.runs(root).iloc[0]
    assert "is a link" in row["problem"]
    doors = [
        lambda: sdlab.open_run(root / name),
        lambda: mark(root, [name], star=True),
        lambda: export_run(root / name, "csv", tmp_path / "out"),
        lambda: write_zip(root / name, io.BytesIO()),
        lambda: parcel_of(root / name),
    ]
    for door in doors:
        with pytest.raises(StoreError, match="is a link"):
            door()
    with pytest.raises(StoreError, match="is damaged"):
        chosen_runs(root, [name])
    with pytest.raises(ValueError, match="No stored run has a table"):
        query_runs("SELECT * FROM steps", root)
    assert compact_runs(root).runs == 0
    assert contents(outside[0].parent) == outside[1] and not (tmp_path / "out").exists()


def test_a_linked_run_is_deleted_as_the_link_that_it_is(root, outside):
    delete_run(root, outside[0].name)
    assert [deleted.bytes for deleted in list_trash(root)] != [] and empty_trash(root) == 1
    assert contents(outside[0].parent) == outside[1]


def test_a_linked_table_is_nowhere_read(run, tmp_path):
    stored = run.save(tmp_path / "store")
    secret = stored.rename(tmp_path / run.id)
    shutil.copytree(secret, stored)
    for name in ("steps.parquet", "tensors.safetensors"):
        (stored / name).unlink()
        (stored / name).symlink_to(secret / name)
    (row,) = sdlab.runs(stored.parent)["problem"]
    assert "steps.parquet is a link" in row or "tensors.safetensors is a link" in row
    for door in (sdlab.open_run, lambda folder: read_table(folder, "steps")):
        with pytest.raises(StoreError, match="is a link"):
            door(stored)
    zipped = io.BytesIO()
    write_zip(stored, zipped)
    names = [name.rpartition("/")[2] for name in zipfile.ZipFile(zipped).namelist()]
    assert not {"steps.parquet", "steps.csv", "tensors.safetensors"} & set(names)
    assert compact_runs(stored.parent).runs == 0
    assert (stored / "steps.parquet").is_symlink() and (secret / "steps.parquet").is_file()


def test_a_linked_trash_is_none(stored, run, outside):
    (stored.parent / TRASH).symlink_to(outside[0].parent)
    for door in (delete_run, restore_run):
        with pytest.raises(StoreError, match=r"\.trash is a link"):
            door(stored.parent, run.id)
    assert list_trash(stored.parent) == [] and empty_trash(stored.parent) == 0
    assert contents(outside[0].parent) == outside[1] and stored.is_dir()


def test_linked_shards_are_none(stored, tmp_path):
    compact_runs(stored.parent)
    (stored.parent / SHARDS).rename(tmp_path / "shards")
    (stored.parent / SHARDS).symlink_to(tmp_path / "shards")
    before = contents(tmp_path / "shards")
    assert shard_names(stored.parent) == ()
    with pytest.raises(StoreError, match="lacks steps"):
        sdlab.open_run(stored)
    with pytest.raises(StoreError, match=r"\.shards is a link"):
        compact_runs(stored.parent)
    assert contents(tmp_path / "shards") == before


def test_a_linked_cache_is_neither_read_nor_written(stored, tmp_path, monkeypatch):
    monkeypatch.setattr("sdlab.runs.index.BEHIND", 1)
    (tmp_path / "cache").mkdir()
    (stored.parent / CACHE.parent).symlink_to(tmp_path / "cache")
    index = RunIndex(stored.parent)
    index.refresh()
    assert len(index.find(Search())) == 1 and list((tmp_path / "cache").iterdir()) == []


def test_linked_grids_sweeps_comparisons_and_curves_are_none(tmp_path):
    root, elsewhere = tmp_path / "store", tmp_path / "elsewhere"
    grid = Grid(sdlab.Experiment(prompt="a"), {"seed": "0, 1"})
    for folder in (root, elsewhere):
        save_grid(grid, folder)
        SweepFolder(folder, grid.id).path.mkdir(parents=True)
        SweepFolder(folder, grid.id).save(sdlab.Sweep(grid.base, grid.axes))
    assert [found.id for found in list_grids(root)] == [name for name, _ in list_sweeps(root)]
    for name in (GRIDS, ".sweeps", COMPARISONS, "curves"):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).symlink_to(elsewhere / name)
    before = contents(elsewhere)
    doors = [
        lambda: open_grid(root, grid.id),
        lambda: save_grid(grid, root),
        lambda: find_sweep(root, grid.id),
        lambda: open_result(root, grid.id),
        lambda: load_curve("x", root),
    ]
    for door in doors:
        with pytest.raises(StoreError, match="is a link"):
            door()
    assert not list_grids(root) and not list_sweeps(root) and not parts(root)
    assert contents(elsewhere) == before


def test_one_linked_grid_and_sweep_are_named(tmp_path):
    root, grid = tmp_path / "store", Grid(sdlab.Experiment(prompt="a"), {"seed": "0, 1"})
    path = save_grid(grid, root)
    path.rename(tmp_path / "grid.json")
    path.symlink_to(tmp_path / "grid.json")
    (path.parent / f"{'0' * 16}.json").symlink_to(tmp_path / "nothing")
    assert all("is a link" in found.problem for found in list_grids(root))
    assert len(list_grids(root)) == 2
    folder = SweepFolder(root, "1" * 16).path
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / SPEC).write_text("{}")
    folder.parent.mkdir()
    folder.symlink_to(tmp_path / "sweep")
    assert list_sweeps(root) == []
    with pytest.raises(StoreError, match="is a link"):
        find_sweep(root, folder.name)


def test_a_failure_is_not_noted_through_a_link(tmp_path):
    folder = SweepFolder(tmp_path / "store", "0" * 16)
    folder.path.mkdir(parents=True)
    (tmp_path / "file").write_text("mine")
    (folder.path / ERRORS).symlink_to(tmp_path / "file")
    with pytest.raises(StoreError, match=ERRORS):
        folder.fail("1" * 16, "reason")
    with pytest.raises(StoreError, match="is a link"):
        folder.errors()
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_nested_deep_among_failures_is_passed_over(tmp_path):
    folder = SweepFolder(tmp_path, "0" * 16)
    folder.path.mkdir(parents=True)
    folder.fail("1" * 16, "reason")
    with (folder.path / ERRORS).open("a") as file:
        file.write("\n" + "[" * 100_000)
    assert folder.errors() == {"1" * 16: "reason"}


def test_what_is_saved_over_a_link_replaces_the_link(run, root, outside, tmp_path):
    folder, before = outside
    mark(folder.parent, [folder.name], note="elsewhere")
    before = contents(folder.parent)
    run.save(root)
    assert not (root / folder.name).is_symlink() and sdlab.open_run(root / folder.name).id == run.id
    assert read_marks(root / folder.name).note == ""
    assert contents(folder.parent) == before
    assert [path.name for path in root.iterdir()] == [folder.name]


def test_trials_are_not_kept_through_a_link(tmp_path):
    pytest.importorskip("optuna", reason="optional; runs where the extra search is installed")
    (tmp_path / "file").write_text("mine")
    (tmp_path / SEARCHED).symlink_to(tmp_path / "file")
    sweep = sdlab.Sweep(sdlab.Experiment(prompt="a"), {"seed": "0, 1"})
    work = searching(sweep, SearchFor("minimize: seconds"), tmp_path, tmp_path, {}, lambda x: ())
    with pytest.raises(StoreError, match="is a link"):
        next(work)
    (tmp_path / SEARCHED).unlink()
    (tmp_path / SEARCHED).write_text("no database")
    work = searching(sweep, SearchFor("minimize: seconds"), tmp_path, tmp_path, {}, lambda x: ())
    with pytest.raises(StoreError, match="cannot be used"):
        next(work)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_moved_through_a_linked_folder(tmp_path, kind):
    """Neither from the store to its trash nor back."""
    name = "mine" if kind == "curve" else "1" * 16
    folder, ending = KINDS[kind]
    for linked in {folder, TRASH, f"{TRASH}/{folder}"} - {""}:
        root, elsewhere = tmp_path / linked.replace("/", " "), tmp_path / f"of {linked}"[:9]
        thing = elsewhere / (name + ending)
        thing.mkdir(parents=True, exist_ok=True)
        (root / linked).parent.mkdir(parents=True)
        (root / linked).symlink_to(elsewhere)
        for act in (delete, restore):
            if kind == "run" and linked == f"{TRASH}/":
                continue
            with pytest.raises(StoreError, match="is a link|is stored in|is in the trash"):
                act(root, kind, name)
        assert list_trash(root) == [] and thing.is_dir()
