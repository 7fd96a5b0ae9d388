"""A run comes back as it was saved, and whatever is missing or damaged is named."""

import json
import shutil

import pandas as pd
import pytest
import torch
from PIL import Image

import sdlab
from sdlab.errors import StoreError
from sdlab.runs import ROOT_VARIABLE, run_path, runs_root
from sdlab.runs.run_folder import FILES, read_table

from .conftest import file_limit


def test_a_run_comes_back_as_it_was(run, stored):
    again = sdlab.open_run(stored)
    assert stored.name == run.id == again.id
    assert again.experiment == run.experiment
    assert again.manifest == run.manifest
    assert again.image.tobytes() == run.image.tobytes()
    for name, table in run.tables.items():
        pd.testing.assert_frame_equal(again.tables[name], table)
    for name in ("latents", "x_t", "x0_pred"):
        assert torch.equal(again.tensors[name], run.tensors[name])
    assert torch.equal(again.trace.x0_pred, run.trace.x0_pred)
    assert (again.trace.kept, again.trace.sigmas) == (run.trace.kept, run.trace.sigmas)


def test_the_folder_holds_what_is_said(stored):
    assert sorted(path.name for path in stored.iterdir()) == sorted(FILES)
    assert len({path.stat().st_mode for path in stored.iterdir()}) == 1


def test_manifest_says_what_it_takes_to_run_again(stored):
    manifest = json.loads((stored / "manifest.json").read_text())
    assert sdlab.Experiment.from_dict(manifest["experiment"]).id == stored.name
    assert {"sdlab", "torch", "diffusers", "transformers", "python"} <= manifest["versions"].keys()
    assert {"name", "hash", "dtype", "device"} <= manifest["model"].keys()
    assert pd.Timestamp(manifest["created"]).utcoffset().total_seconds() == 0


def test_picture_carries_the_parameters(run, stored):
    text = Image.open(stored / "image.png").text["parameters"]
    prompt, negative, pairs = text.rsplit("\n", 2)
    assert prompt == run.experiment.prompt
    assert negative == "Negative prompt: -rain, 夜"
    assert pairs.startswith("Steps: 16, Sampler: DDIM, CFG scale: 4, ")
    assert "Seed: 18446744073709551615, RNG: CPU, Size: 64x64, Model hash: " in pairs


def test_opening_loads_no_tensor_before_it_is_used(stored):
    again = sdlab.open_run(stored)
    (stored / "tensors.safetensors").unlink()
    with pytest.raises(StoreError, match="tensors.safetensors is damaged"):
        again.latents  # noqa: B018


def test_saving_again_replaces(run, stored):
    (stored / "image.png").write_bytes(b"")
    assert run.save(stored.parent) == stored
    sdlab.open_run(stored)
    assert list(stored.parent.iterdir()) == [stored]


def test_full_disk_loses_nothing(run, tiny_disk):
    with pytest.raises(StoreError, match=r"No room to save .*free.*Delete runs"):
        run.save(tiny_disk)
    assert list(tiny_disk.iterdir()) == []


@pytest.mark.parametrize("size", [100, 3000, 25_000])
def test_refused_write_keeps_the_old_run(run, stored, size):
    """The limit strikes in the manifest, in the picture or in the tensors."""
    before = {path.name: path.read_bytes() for path in stored.iterdir()}
    with file_limit(size), pytest.raises(StoreError, match="No room to save"):
        run.save(stored.parent)
    assert {path.name: path.read_bytes() for path in stored.iterdir()} == before
    assert list(stored.parent.iterdir()) == [stored]
    run.save(stored.parent)


@pytest.mark.parametrize("name", FILES[1:])
def test_missing_file_is_named(stored, name):
    (stored / name).unlink()
    with pytest.raises(StoreError, match=f"lacks {name}"):
        sdlab.open_run(stored)


def test_missing_manifest(stored):
    (stored / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"no run in .*no manifest.json"):
        sdlab.open_run(stored)


@pytest.mark.parametrize("name", FILES[1:])
@pytest.mark.parametrize("damage", [b"", b"PAR1 but no more", b"\x89PNG\r\n\x1a\n", b"\xff" * 99])
def test_damaged_file_is_named(stored, name, damage):
    (stored / name).write_bytes(damage)
    with pytest.raises(StoreError, match=name):
        sdlab.open_run(stored)


@pytest.mark.parametrize("name", FILES[1:])
def test_truncated_file_is_named(stored, name):
    (stored / name).write_bytes((stored / name).read_bytes()[:-40])
    with pytest.raises(StoreError, match=name):
        sdlab.open_run(stored)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "cannot be read as JSON"),
        ("\xff", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[]", "must hold a JSON object, not a list"),
        ("{}", "of format None"),
        ('{"format": 2}', "of format 2; this version of sdlab reads format 1"),
        ('{"format": 1}', "lacks id, experiment"),
        (" " * 5_000_000, "larger than"),
    ],
)
def test_bad_manifest(stored, text, message):
    (stored / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match=message):
        sdlab.open_run(stored)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"num_steps": -1}, "no valid experiment: num_steps must be"),
        ({"future": 1}, "no valid experiment: Unknown experiment field"),
        ({"seed": 3}, "not the one it is named for"),
    ],
)
def test_changed_experiment(stored, change, message):
    path = stored / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["experiment"].update(change)
    path.write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=message):
        sdlab.open_run(stored)


def test_experiment_that_is_no_object(stored):
    path = stored / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "experiment": 7}))
    with pytest.raises(StoreError, match="no valid experiment"):
        sdlab.open_run(stored)


def test_table_without_a_column(run, stored):
    run.steps.drop(columns="sigma").to_parquet(stored / "steps.parquet")
    with pytest.raises(StoreError, match="steps.parquet lacks the columns sigma"):
        read_table(stored, "steps")


@pytest.mark.parametrize(
    "name", ["../../etc", "x", "ABCDEF0123456789", "0" * 17, "", "0" * 15 + "\n"]
)
def test_ids_that_are_none(tmp_path, name):
    with pytest.raises(StoreError, match="is no run id: 16 digits"):
        run_path(tmp_path, name)


def test_opening_what_is_no_run(tmp_path):
    with pytest.raises(StoreError, match="is no run id"):
        sdlab.open_run(tmp_path)


def test_opening_what_is_not_there(tmp_path):
    with pytest.raises(StoreError, match="There is no run in"):
        sdlab.open_run(tmp_path / ("0" * 16))


def test_opening_mends_a_crash(stored):
    shutil.move(stored, stored.with_name(f".{stored.name}.0123456789ab.old"))
    assert sdlab.open_run(stored).id == stored.name


def test_runs_root(monkeypatch, tmp_path):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    assert str(runs_root()) == "runs"
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    assert runs_root() == tmp_path
