"""What version 0.2.0 wrote opens unchanged: runs, comparisons, curves, schedulers, ids, columns."""

import io
import json
import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import sdlab
from sdlab.attention.maps import AttentionMaps
from sdlab.comparing.export import write_zip
from sdlab.comparing.result import open_result
from sdlab.runs.compact import compact_runs
from sdlab.runs.curves import load_curve
from sdlab.runs.export import csv_bytes, export_run
from sdlab.runs.marks import mark
from sdlab.runs.sql import query_runs
from sdlab.runs.trash import delete_run, restore_run
from sdlab.shipped import FOLDER

DATA = Path(__file__).parent / "data" / "version_0_2"
RUNS = DATA / "runs"


REWORDED = {
    "At a budget of 4 evaluations, euler": "With 4 evaluations each, euler",
    "the converged picture: 0.897": (
        "the converged picture; with 1 picture that may be luck.\nIt ends 0.897"
    ),
    " Whether by more than luck is open.": "",
    "By the clock no other run is both quicker": "Measured in seconds, no other run is both faster",
}
"""Words of the stored comparison's verdict, and what later versions say in their place."""


def stored(name: str):
    return json.loads((DATA / name).read_text(encoding="utf-8"))


IDS = stored("ids.json")
COMPARISON = IDS["comparison"]
FOLDERS = sorted(path for path in RUNS.iterdir() if len(path.name) == 16)
"""The seven runs and those of the comparison."""


@pytest.mark.parametrize("row", stored("specs.json"), ids=lambda row: row["id"])
def test_a_spec_has_the_json_and_the_id_that_it_had(row):
    kind = {"Experiment": sdlab.Experiment, "Comparison": sdlab.Comparison}[row["kind"]]
    made = kind.from_dict(row["given"])
    assert (made.to_json(), made.id) == (row["json"], row["id"])
    assert kind.from_dict(json.loads(row["json"])) == made


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_run_opens_with_all_its_values(folder):
    run = sdlab.open_run(folder)
    assert run.id == folder.name and run.experiment.id == folder.name
    assert run.manifest == json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    with Image.open(folder / "image.png") as image:
        assert np.array_equal(np.asarray(run.image), np.asarray(image))
    for name, table in run.tables.items():
        pd.testing.assert_frame_equal(table, pd.read_parquet(folder / f"{name}.parquet"))
    held = load_file(folder / "tensors.safetensors")
    assert list(run.trace.kept) == held.pop("kept").tolist()
    assert list(run.trace.sigmas) == held.pop("sigmas").tolist()
    assert set(run.tensors) == set(held)
    for name, tensor in held.items():
        assert torch.equal(run.tensors[name], tensor)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_run_saved_again_has_the_same_files(folder, tmp_path):
    again = sdlab.open_run(folder).save(tmp_path)
    files = sorted(path.name for path in folder.iterdir())
    assert sorted(path.name for path in again.iterdir()) == files
    assert (again / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()
    for name in files:
        if name.endswith(".parquet"):
            before, after = (pd.read_parquet(place / name) for place in (folder, again))
            pd.testing.assert_frame_equal(after, before)


def test_the_attention_opens_with_all_its_values():
    folder = RUNS / IDS["attention"]
    maps = sdlab.open_run(folder).trace.attention
    held = load_file(folder / "attention.safetensors")
    assert isinstance(maps, AttentionMaps) and set(maps.tensors) == set(held)
    for name, tensor in held.items():
        assert torch.equal(maps.tensors[name], tensor)
    table = pd.read_parquet(folder / "attention.parquet")
    pd.testing.assert_frame_equal(sdlab.open_run(folder).attention, table)


@pytest.mark.parametrize("name", sorted(set(IDS) - {"comparison"}))
def test_a_run_made_again_is_the_same(embedded, name):
    """To the bit where the processor is the same; elsewhere sums run in another order.

    A float32 sum of n products is off by n * 2^-24 of their size at most; thousands of them in a
    row leave 1e-3 of latents whose spread is about 1, and 1e-4 of those that a formula let grow to
    44. A guidance scale that is off by a thousandth moves these by 0.12.
    """
    before = sdlab.open_run(RUNS / IDS[name])
    after = sdlab.run(embedded, before.experiment)
    assert after.id == before.id
    assert after.manifest["model"] == before.manifest["model"]
    allowed = max(1e-3, 1e-4 * float(before.latents.abs().max()))
    torch.testing.assert_close(after.latents, before.latents, rtol=0, atol=allowed)
    assert set(after.tables) == set(before.tables)
    for table, frame in after.tables.items():
        assert list(frame) == list(before.tables[table])
        assert len(frame) == len(before.tables[table])


def test_the_comparison_opens_with_all_its_values(tmp_path):
    folder = RUNS / ".comparisons" / COMPARISON
    result = open_result(RUNS, COMPARISON)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert result.id == result.comparison.id == COMPARISON
    assert result.manifest == manifest
    assert set(result.ids) <= {path.name for path in FOLDERS}
    for name, table in result.tables.items():
        pd.testing.assert_frame_equal(table, pd.read_parquet(folder / f"{name}.parquet"))
    again = result.save(tmp_path)
    assert (again / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()


def test_the_comparison_is_made_from_the_stored_runs(embedded, tmp_path):
    """Nothing is run again, so ids and tables are the same, and the verdict but for new words."""
    shutil.copytree(RUNS, tmp_path / "runs", ignore=shutil.ignore_patterns(".comparisons"))
    before = open_result(RUNS, COMPARISON)
    runs = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    after = sdlab.compare(embedded, before.comparison, save=tmp_path / "runs")
    for name, made in runs.items():
        assert (tmp_path / "runs" / name).stat().st_mtime_ns == made
    assert after.ids == before.ids
    verdict = "\n".join(before.verdict)
    for old, new in REWORDED.items():
        verdict = verdict.replace(old, new)
    assert verdict == "\n".join(after.verdict)
    for name, table in before.tables.items():
        pd.testing.assert_frame_equal(after.tables[name], table, check_exact=False, rtol=1e-5)


def test_the_store_is_marked_compacted_deleted_and_read_as_one_of_today(tmp_path):
    root = shutil.copytree(RUNS, tmp_path / "runs")
    names = [folder.name for folder in FOLDERS]
    before = {name: sdlab.open_run(root / name).tables for name in names}
    assert (sdlab.runs(root)["problem"] == "").all() and len(sdlab.runs(root)) == len(names)
    mark(root, names[:1], star=True, add=["old"], note="of 0.2")
    assert sdlab.runs(root, tag="old")["run"].tolist() == names[:1]
    assert compact_runs(root).runs == len(names)
    for name, tables in before.items():
        for table, frame in sdlab.open_run(root / name).tables.items():
            pd.testing.assert_frame_equal(frame, tables[table])
    delete_run(root, names[0])
    restore_run(root, names[0])
    found = query_runs("SELECT run, count(*) AS n FROM steps GROUP BY run", root)
    assert dict(found.values.tolist()) == {name: len(before[name]["steps"]) for name in names}
    assert open_result(root, COMPARISON).id == COMPARISON


def test_the_saved_curve_opens():
    found = load_curve("slow start", RUNS)
    assert (found.curve, dict(found.options), found.num_steps) == ("karras", {"rho": 3.0}, 12)


def test_a_pipeline_saved_with_our_solver_opens(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(FOLDER, model)
    shutil.copytree(DATA / "pipeline", model, dirs_exist_ok=True)
    index = json.loads((model / "model_index.json").read_text())
    assert index["scheduler"] == ["sdlab.solvers.as_diffusers", "SolverScheduler"]
    scheduler = sdlab.load(model, device="cpu").pipeline.scheduler
    scheduler.set_timesteps(4)
    course = sdlab.course(
        "lms", 4, options={"order": 3}, curve="karras", curve_options={"rho": 5.5},
        config=dict(scheduler.config),
    )  # fmt: skip
    assert scheduler.config.solver_options == {"order": 3}
    assert scheduler.sigmas.tolist()[:4] == pytest.approx(list(course.sigmas)[:4], rel=1e-6)


def header(data: bytes) -> str:
    return data.decode("utf-8-sig").splitlines()[0]


def test_the_columns_of_every_csv_are_what_they_were(embedded, tmp_path):
    found = {}
    for name in ("plain", "attention"):
        for path in export_run(RUNS / IDS[name], "csv", tmp_path):
            found[f"run {path.stem.split('-')[1]}"] = header(path.read_bytes())
    stream = io.BytesIO()
    write_zip(open_result(RUNS, COMPARISON), stream)
    with ZipFile(stream) as archive:
        for name in archive.namelist():
            if name.endswith(".csv"):
                found[f"comparison {name[:-4]}"] = header(archive.read(name))
    errors = sdlab.bench.errors("heun", problem="gaussian", steps=(4, 8, 16))
    tables = {
        "schedulers": sdlab.schedulers(),
        "tokens": sdlab.tokens(embedded, "a red bird"),
        "bench errors": errors,
        "bench orders": sdlab.bench.orders(errors),
        "bench problems": sdlab.bench.problems(),
        "bench trajectories": sdlab.bench.trajectories("heun", 4, problem="mixture_2d"),
    }
    found |= {name: header(csv_bytes(table)) for name, table in tables.items()}
    assert found == stored("columns.json")
