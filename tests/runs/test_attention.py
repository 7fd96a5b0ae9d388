"""Stored attention opens as it was saved, is exported whole, and damage is told."""

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

import sdlab
from sdlab.columns import ATTENTION as COLUMNS
from sdlab.errors import StoreError
from sdlab.runs.attention import (
    ATTENTION,
    attention_bytes,
    describe,
    open_attention,
    save_attention,
)
from sdlab.runs.export import csv_bytes, export_run, write_zip


@pytest.fixture(scope="module")
def seen(small):
    """A run with attention of both kinds and both halves."""
    record = sdlab.AttentionRecord(self_layers=("1/2",), halves="both", steps=2)
    spec = sdlab.Experiment(
        prompt="=a red car",
        negative_prompt="rain",
        num_steps=4,
        model="small",
        width=96,
        height=64,
        record=sdlab.Record(attention=record),
    )
    return sdlab.run(small, spec)


@pytest.fixture
def kept(seen, tmp_path):
    return seen.save(tmp_path / "runs")


def test_opens_as_it_was_saved(seen, kept):
    again = sdlab.open_run(kept)
    old, new = seen.trace.attention, again.trace.attention
    assert again.experiment == seen.experiment
    assert new.facts == old.facts
    assert set(new.tensors) == set(old.tensors)
    for name in old.tensors:
        assert torch.equal(new.tensors[name], old.tensors[name])
    assert (new.words, new.halves) == (["=", "a", "red", "car"], ["cond", "uncond"])
    np.testing.assert_array_equal(again.heatmap("red car"), seen.heatmap("red car"))
    pd.testing.assert_frame_equal(again.attention, seen.attention)
    assert list(again.attention.columns) == list(COLUMNS)


def test_another_threshold_of_an_opened_run_has_the_same_columns(seen, kept):
    maps = sdlab.open_run(kept).trace.attention
    found = maps.summary(0.3)
    assert list(found.columns) == list(COLUMNS)
    pd.testing.assert_frame_equal(found.drop(columns="area"), seen.attention.drop(columns="area"))
    assert (found["area"] >= seen.attention["area"]).all()
    assert "run" not in seen.trace.attention.summary(0.3)


def test_bytes_are_the_file(seen, tmp_path):
    path = tmp_path / "maps.safetensors"
    path.write_bytes(attention_bytes(seen.trace.attention))
    again = open_attention(path)
    assert again.facts == seen.trace.attention.facts
    for name, tensor in seen.trace.attention.tensors.items():
        assert torch.equal(again.tensors[name], tensor)
    np.testing.assert_array_equal(again.heatmap("red car"), seen.heatmap("red car"))


def test_maps_load_when_they_are_used(kept):
    maps = sdlab.open_run(kept).trace.attention
    assert not any(loaded is not None for loaded in maps.tensors._loaded.values())
    maps.heatmap("car", layer="6x4")  # width first
    loaded = [name for name, tensor in maps.tensors._loaded.items() if tensor is not None]
    assert loaded == ["cond/mid_block.attentions.0.transformer_blocks.0.attn2"]
    with pytest.raises(ValueError, match="Unknown attention layer '4x6'.*12x8, 6x4"):
        maps.heatmap("car", layer="4x6")


def test_a_run_without_attention_says_so(stored):
    run = sdlab.open_run(stored)
    with pytest.raises(ValueError, match="Attention was not recorded; ask for it with"):
        run.heatmap("parrot")
    with pytest.raises(ValueError, match="Attention was not recorded"):
        run.attention  # noqa: B018
    assert not (stored / ATTENTION).exists()


def test_the_table_is_made_anew_if_it_is_gone(seen, kept):
    (kept / "attention.parquet").unlink()
    pd.testing.assert_frame_equal(sdlab.open_run(kept).attention, seen.attention)


def test_a_missing_file_is_told(kept):
    (kept / ATTENTION).unlink()
    with pytest.raises(StoreError, match="lacks attention.safetensors"):
        sdlab.open_run(kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: about.update(format=2), "is of format 2"),
        (lambda about: about["facts"]["record"].update(heads="none"), "Unknown attention heads"),
        (lambda about: about["facts"].update(layers=[{}]), "its header cannot be read"),
        (lambda about: about["facts"].update(evaluations=[0]), "have the shape"),
        (lambda about: about.pop("tokens"), "its header cannot be read"),
    ],
)
def test_a_changed_header_is_refused(seen, tmp_path, change, message):
    path = tmp_path / ATTENTION
    save_attention(seen.trace.attention, path)
    about = json.loads(describe(seen.trace.attention))
    change(about)
    save_file(load_file(path), path, metadata={"attention": json.dumps(about)})
    with pytest.raises(StoreError, match=message):
        open_attention(path)


def test_what_is_no_file_of_maps_is_refused(seen, tmp_path):
    path = tmp_path / ATTENTION
    path.write_bytes(b"nothing")
    with pytest.raises(StoreError, match="is damaged"):
        open_attention(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(StoreError, match="is damaged"):
        open_attention(path)
    tensors = dict(seen.trace.attention.tensors)
    tensors.popitem()
    first = next(iter(tensors))
    tensors.pop(first)
    save_file(tensors, path, metadata={"attention": describe(seen.trace.attention)})
    with pytest.raises(StoreError, match="lacks maps"):
        open_attention(path)


def test_exports_hold_the_maps(seen, kept, tmp_path):
    (path,) = export_run(kept, "npz", tmp_path / "out")
    with np.load(path) as arrays:
        assert json.loads(str(arrays["about"]))["facts"]["evaluations"] == [0, 2, 3]
        for name, tensor in seen.trace.attention.tensors.items():
            np.testing.assert_array_equal(arrays[name], tensor.numpy())
    (path,) = export_run(kept, "safetensors", tmp_path / "out")
    assert path.read_bytes() == (kept / ATTENTION).read_bytes()
    tables = export_run(kept, "csv", tmp_path / "out")
    assert tables[-1].read_bytes() == csv_bytes(seen.attention)
    assert b"'=" in tables[-1].read_bytes()
    stream = io.BytesIO()
    write_zip(kept, stream)
    with zipfile.ZipFile(stream) as archive:
        assert archive.read(f"{seen.id}/{ATTENTION}") == (kept / ATTENTION).read_bytes()
        assert archive.read(f"{seen.id}/attention.csv") == csv_bytes(seen.attention)


def test_bfloat16_goes_into_an_npz(small, tmp_path):
    record = sdlab.AttentionRecord(dtype="bfloat16", layers=("mid_block",))
    spec = sdlab.Experiment(
        prompt="a", num_steps=1, model="small", record=sdlab.Record(attention=record)
    )
    run = sdlab.run(small, spec)
    (path,) = export_run(run.save(tmp_path / "runs"), "npz", tmp_path)
    with np.load(path) as arrays:
        for name, tensor in run.trace.attention.tensors.items():
            assert tensor.dtype == torch.bfloat16 and arrays[name].dtype == np.float32
            np.testing.assert_array_equal(arrays[name], tensor.float().numpy())


def test_no_attention_no_export(stored, tmp_path):
    for kind in ("npz", "safetensors"):
        with pytest.raises(StoreError, match="recorded no attention"):
            export_run(stored, kind, tmp_path)
