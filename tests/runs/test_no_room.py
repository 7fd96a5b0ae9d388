"""A store that takes no more, or nothing: each thing that is written says so, and is whole."""

import shutil
import subprocess

import pytest
import torch

import sdlab
from sdlab.comparing.result import open_result
from sdlab.errors import StoreError
from sdlab.noise.exchange import NamedCurve
from sdlab.noise.schedule import NoiseSchedule
from sdlab.reproducing.golden import Golden
from sdlab.runs import compact
from sdlab.runs.compact import compact_runs
from sdlab.runs.curves import list_curves, save_curve
from sdlab.runs.export import export_run
from sdlab.runs.grids import list_grids, save_grid
from sdlab.runs.marks import mark
from sdlab.runs.sql import query_runs
from sdlab.runs.tables import chosen_runs, write_table
from sdlab.runs.trash import delete_run, empty_trash, list_trash
from sdlab.sweeping.sweep_folder import SweepFolder
from tests.runs.conftest import file_limit
from tests.runs.test_compact import assert_same, copy_of, own, tables
from tests.test_version_before import COMPARISON, DATA

GRID = sdlab.Grid(sdlab.Experiment(prompt="a"), {"seed": "0, 1"})
CURVE = NamedCurve("karras", {}, 10)
SCHEDULE = NoiseSchedule.from_config({"beta_schedule": "scaled_linear", "beta_end": 0.012})


def doors(root, run, out):
    """What writes, by name, into a store with one run, or into a folder."""
    return {
        "save": lambda: run.save(root),
        "note": lambda: mark(root, [run.id], note="a" * 5000),
        "compact": lambda: compact_runs(root),
        "grid": lambda: save_grid(GRID, root),
        "curve": lambda: save_curve("mine", CURVE, SCHEDULE, root),
        "sweep": lambda: SweepFolder(root, GRID.id).save(GRID),
        "csv": lambda: export_run(root / run.id, "csv", out),
        "parquet": lambda: export_run(root / run.id, "parquet", out),
        "zip": lambda: export_run(root / run.id, "zip", out),
        "comparison": lambda: open_result(DATA / "runs", COMPARISON).save(root),
        "golden": lambda: GOLDEN.save(out / "golden.safetensors"),
        "report": lambda: sdlab.report(run.id, out / "report.html", root=root),
        "table": lambda: write_table("steps", chosen_runs(root), out / "steps.csv"),
    }


GOLDEN = Golden({"versions": {}}, (), {"0" * 16: torch.zeros(2, 100)})
NAMES = tuple(doors(None, None, None))


def files(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != compact.LOCK
    }


@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_fit_is_told_and_nothing_is_left_half(run, stored, tmp_path, name):
    root, out = stored.parent, tmp_path / "out"
    before = files(root)
    with file_limit(100), pytest.raises(StoreError, match="No room to save"):
        doors(root, run, out)[name]()
    assert files(root) == before and not (out.exists() and files(out))
    doors(root, run, out)[name]()


def test_a_shard_that_does_not_fit_leaves_the_tables(run, stored):
    root = stored.parent
    for seed in range(2):
        copy_of(stored, seed=seed)
    before, count = tables(root), len(own(root))
    for size in (3000, 9000):
        with file_limit(size), pytest.raises(StoreError, match="No room to save"):
            compact_runs(root)
        assert len(own(root)) == count
        assert_same(tables(root), before)
    compact_runs(root)
    assert_same(tables(root), before)


@pytest.fixture
def read_only(stored, tmp_path):
    """The store on a disk that is read only, where the tests may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs leave to mount a tmpfs; runs wherever the tests run as root")
    try:
        shutil.copytree(stored.parent, place / "runs")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        yield place / "runs"
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_read_only_store_is_read_and_says_what_it_cannot(run, read_only, tmp_path):
    row = sdlab.runs(read_only).iloc[0]
    assert (row["run"], row["problem"]) == (run.id, "")
    assert sdlab.open_run(read_only / run.id).id == run.id
    assert len(query_runs("SELECT * FROM steps", read_only)) == len(run.steps)
    assert len(export_run(read_only / run.id, "csv", tmp_path)) == 4
    assert not list_trash(read_only) and not list_grids(read_only) and not list_curves(read_only)
    assert empty_trash(read_only) == 0
    writing = doors(read_only, run, tmp_path)
    writing |= {
        "delete": lambda: delete_run(read_only, run.id),
        "hold": lambda: SweepFolder(read_only, GRID.id).held().__enter__(),
        "failure": lambda: SweepFolder(read_only, GRID.id).fail(run.id, "x"),
    }
    for name in {"csv", "parquet", "zip", "golden", "report", "table"}:
        writing.pop(name)
    for door in writing.values():
        with pytest.raises(StoreError, match="Read-only file system|No such file"):
            door()
