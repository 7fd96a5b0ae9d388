"""A store that version 0.5.0 wrote opens whole: runs, marks, trash, grid, sweep, comparison."""

import json
import shutil
from pathlib import Path

import pytest

import sdlab
from sdlab.comparing.result import open_result
from sdlab.runs.compact import compact_runs
from sdlab.runs.curves import load_curve
from sdlab.runs.grids import list_grids
from sdlab.runs.parts import parts
from sdlab.runs.retention import Retention, plan
from sdlab.runs.sql import query_runs
from sdlab.runs.trash import delete, list_trash, restore
from sdlab.sweeping.result import open_sweep
from sdlab.sweeping.sweep_folder import list_sweeps

DATA = Path(__file__).parents[1] / "data" / "version_0_5"
IDS = json.loads((DATA / "ids.json").read_text())


@pytest.fixture
def root(tmp_path):
    return shutil.copytree(DATA / "runs", tmp_path / "runs")


def test_all_of_it_is_listed_and_opens(root):
    runs = sdlab.runs(root)
    assert (runs["problem"] == "").all() and len(runs) == 6
    marked = runs.set_index("run").loc[IDS["run"]]
    assert (marked["star"], marked["tags"], marked["note"]) == (True, "good", "of 0.5")
    for run in runs["run"]:
        opened = sdlab.open_run(root / run)
        assert opened.latents.isfinite().all() and opened.image.size == (64, 64)
    assert [gone.name for gone in list_trash(root)] == [IDS["deleted"]]
    assert [grid.id for grid in list_grids(root)] == [IDS["grid"]]
    assert [name for name, _ in list_sweeps(root)] == [IDS["sweep"]]
    result = open_sweep(root, IDS["sweep"])
    assert result.table["state"].tolist() == ["done", "done"] and result.axes == ["solver"]
    compared = open_result(root, IDS["comparison"])
    assert set(compared.ids) <= set(runs["run"]) and compared.verdict
    assert set(parts(root).values()) == {IDS["comparison"], IDS["sweep"]}
    assert load_curve("slow start", root).curve == "karras"


def test_it_is_used_as_one_of_today(root):
    for kind in ("grid", "sweep", "comparison"):
        delete(root, kind, IDS[kind])
    restore(root, "run", IDS["deleted"])
    assert len(list_trash(root)) == 3 and len(sdlab.runs(root)) == 7
    assert compact_runs(root).runs == 7
    found = query_runs("SELECT count(DISTINCT run) AS n FROM steps", root)
    assert found["n"].tolist() == [7]
    going = plan(root, Retention(gib=1e-6), sure=True).runs
    assert len(going) == 6 and IDS["run"] not in {run.run for run in going}
