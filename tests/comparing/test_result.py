"""A result comes back as it was saved, and its zip holds everything; damage is named."""

import io
import json
import shutil
import zipfile
from dataclasses import replace

import pandas as pd
import pytest
from PIL import Image

import sdlab
from sdlab.comparing.columns import TABLES
from sdlab.comparing.export import write_zip
from sdlab.comparing.memory import (
    ALL_TENSORS,
    BASE_BYTES,
    PICTURE_TENSORS,
    PIXEL_BYTES,
    summary_bytes,
)
from sdlab.comparing.result import open_result, result_path
from sdlab.comparing.target import TARGET
from sdlab.errors import StoreError
from sdlab.runs import run_path
from sdlab.runs.run_folder import open_run


@pytest.fixture(scope="module")
def stored(small, tmp_path_factory):
    """The root of all runs and a result that was made there."""
    root = tmp_path_factory.mktemp("comparing") / "runs"
    result = sdlab.compare(
        small,
        entrants=["euler", sdlab.Entrant("heun", label='=Heun "2/3"')],
        prompts=["a parrot"],
        seeds=[2**64 - 1],
        budget=2,
        width=64,
        height=64,
        reference_steps=4,
        save=root,
        target=0.2,
    )
    return root, result


def test_what_is_opened_is_what_was_saved(stored):
    root, result = stored
    opened = open_result(root, result.id)
    assert opened.comparison == result.comparison and opened.manifest == result.manifest
    assert opened.target == 0.2
    for name in TABLES:
        pd.testing.assert_frame_equal(opened.tables[name], result.tables[name])
    assert opened.runs["seed"].iloc[0] == 2**64 - 1


def test_a_result_from_before_ties_told_their_power_is_judged_anew(stored, tmp_path):
    root, result = stored
    old = shutil.copytree(result_path(root, result.id), tmp_path / ".comparisons" / result.id)
    columns = ["a", "b", "ratio", "p", "tied", "pictures"]
    pd.read_parquet(old / "ties.parquet")[columns].to_parquet(old / "ties.parquet")
    manifest = json.loads((old / "manifest.json").read_text())
    (old / "manifest.json").write_text(json.dumps(manifest | {"verdict": ["All are tied."]}))
    opened = open_result(tmp_path, result.id)
    pd.testing.assert_frame_equal(opened.ties, result.ties)
    assert opened.verdict == result.verdict


def test_tables_have_their_names(stored):
    assert stored[1].cost is stored[1].tables["cost"]
    with pytest.raises(AttributeError, match="no 'costs'; tables: entrants"):
        _ = stored[1].costs


def test_the_memory_of_summing_up_counts_the_tensors_that_are_stored(stored, small):
    root, result = stored
    runs = [open_run(run_path(root, key)) for key in result.ids]
    held = sum(run.trace.tensor(name).nbytes for run in runs for name in run.trace.names())
    asked = [(run.experiment, len(run.trace.sigmas)) for run in runs]
    one, two = (summary_bytes(small, asked, pictures) for pictures in (1, 2))
    assert held > 0 and one - two == PICTURE_TENSORS * held / 2
    assert two > BASE_BYTES + len(runs) * 64 * 64 * PIXEL_BYTES + ALL_TENSORS * held


def test_comparisons_are_no_runs(stored):
    from sdlab.runs.listing import list_runs

    assert set(list_runs(stored[0])["run"]) >= set(stored[1].ids)
    assert len(list_runs(stored[0])) == 4  # two samplers, the reference and its half


def test_what_is_not_there_or_damaged_is_named(stored, tmp_path):
    root, result = stored
    with pytest.raises(StoreError, match="There is no comparison in"):
        open_result(tmp_path, result.id)
    with pytest.raises(StoreError, match="is no run id"):
        open_result(tmp_path, "../../etc")
    place = result.save(tmp_path)
    assert place == result_path(tmp_path, result.id)
    (place / "cost.parquet").write_bytes(b"no table")
    with pytest.raises(StoreError, match="cost.parquet cannot be read as Parquet"):
        open_result(tmp_path, result.id)
    result.save(tmp_path)
    result.pairs.drop(columns="distance").to_parquet(place / "pairs.parquet")
    with pytest.raises(StoreError, match="lacks the columns distance"):
        open_result(tmp_path, result.id)
    result.save(tmp_path)
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest.pop("target") == 0.2
    (place / "manifest.json").write_text(json.dumps(manifest))
    assert open_result(tmp_path, result.id).target == TARGET  # as older manifests, that lack it
    manifest["comparison"]["budget"] = 3
    (place / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="not the one it is named for"):
        open_result(tmp_path, result.id)
    manifest["comparison"]["budgets"] = 3
    (place / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="holds no valid comparison: Unknown comparison field"):
        open_result(tmp_path, result.id)
    (place / "manifest.json").write_text("[1")
    with pytest.raises(StoreError, match="cannot be read as JSON"):
        open_result(tmp_path, result.id)
    (place / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(StoreError, match="reads format 1"):
        open_result(tmp_path, result.id)


def test_a_full_disk_leaves_nothing_half(stored, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sdlab.comparing.result.parquet_bytes", full)
    with pytest.raises(StoreError, match="No room to save"):
        stored[1].save(tmp_path)
    assert not list((tmp_path / ".comparisons").iterdir())


def contents(result, *args, **options):
    stream = io.BytesIO()
    write_zip(result, stream, *args, **options)
    return zipfile.ZipFile(stream)


@pytest.mark.parametrize("reopened", [False, True])
def test_the_zip_holds_everything(stored, reopened):
    root, result = stored
    result = open_result(root, result.id) if reopened else result
    archive = contents(result, root)
    names = set(archive.namelist())
    assert archive.testzip() is None
    assert {f"{name}.{kind}" for name in TABLES for kind in ("csv", "parquet")} <= names
    assert {"manifest.json", "verdict.txt"} <= names
    seed = 2**64 - 1
    assert {n for n in names if n.startswith("pictures/")} == {
        f"pictures/reference-00-seed{seed}.png",
        f"pictures/000-euler-seed{seed}-2steps.png",
        f"pictures/001-Heun-2-3-seed{seed}-2steps.png",
    }
    for name in names:
        if name.endswith(".png"):  # whether from memory or from a run's folder
            with Image.open(io.BytesIO(archive.read(name))) as picture:
                assert f"Seed: {seed}, " in picture.text["parameters"]
    assert archive.read("verdict.txt").decode().splitlines() == list(result.verdict)
    table = pd.read_parquet(io.BytesIO(archive.read("cost.parquet")))
    pd.testing.assert_frame_equal(table, result.cost)
    assert "'=Heun" in archive.read("cost.csv").decode()  # no formula in a spreadsheet


def test_the_zip_holds_run_folders_if_asked(stored, tmp_path):
    root, result = stored
    archive = contents(result, root, runs=True)
    assert {f"runs/{key}/steps.csv" for key in result.ids} < set(archive.namelist())
    archive.extractall(tmp_path)
    for key in result.ids:
        assert open_run(run_path(tmp_path / "runs", key)).id == key
    with pytest.raises(ValueError, match="runs=True needs root"):
        contents(result, runs=True)


def test_the_zip_does_without_pictures_that_are_gone(stored, tmp_path):
    root, result = stored
    opened = open_result(root, result.id)
    assert not [n for n in contents(opened, tmp_path).namelist() if n.startswith("pictures/")]


def test_a_run_made_again_by_other_weights_is_not_in_the_zip(stored, tmp_path):
    root, result = stored
    result = open_result(root, result.id)
    for key in result.ids:
        shutil.copytree(run_path(root, key), run_path(tmp_path, key))
    manifest = run_path(tmp_path, result.runs["run"].iloc[0]) / "manifest.json"
    manifest.write_text(manifest.read_text().replace(result.model_hash, "0" * 16))
    before, after = (contents(result, place).namelist() for place in (root, tmp_path))
    assert len(before) == len(after) + 1 and not any("000-euler" in name for name in after)
    with pytest.raises(StoreError, match="made again by other weights"):
        contents(result, tmp_path, runs=True)


def test_where_a_run_is_gone_no_zip_with_runs_is_begun(stored, tmp_path):
    root, result = stored
    stream = io.BytesIO()
    with pytest.raises(StoreError, match="There is no run in"):
        write_zip(open_result(root, result.id), stream, tmp_path, runs=True)
    assert not stream.getvalue()


def test_the_pictures_that_runs_start_from_are_kept_with_it(measured, tmp_path):
    picture = Image.new("RGB", (16, 8), "red")
    spec = measured[1].comparison.with_(image=picture, strength=0.5)
    result = replace(measured[1], comparison=spec)
    place = result.save(tmp_path)
    name = f"input-{spec.image.hash}.png"
    opened = open_result(tmp_path, spec.id)
    assert opened.comparison == spec and opened.comparison.image.has_pixels
    write_zip(opened, stream := io.BytesIO())
    assert zipfile.ZipFile(stream).read(name) == (place / name).read_bytes()
    (place / name).unlink()
    assert not open_result(tmp_path, spec.id).comparison.image.has_pixels
