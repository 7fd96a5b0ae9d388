"""Whatever bits of a run's files change or are lost, it is said, or what is read is what was."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import sdlab
from sdlab.errors import StoreError
from sdlab.runs.compact import compact_runs
from sdlab.runs.index import _table
from sdlab.runs.row import read_row
from sdlab.runs.run_folder import FILES
from sdlab.runs.shards import SHARDS, shard_names
from sdlab.runs.sql import left_out, query_runs
from sdlab.runs.tables import chosen_runs, table_of
from tests.runs.test_compact import copy_of


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    return run.save(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


@pytest.fixture(scope="module")
def compacted(whole, tmp_path_factory):
    root = tmp_path_factory.mktemp("compacted")
    folder = shutil.copytree(whole, root / whole.name)
    compact_runs(root)
    return folder


def flipped(data: bytes, at: int, bit: int) -> bytes:
    """The data with one bit of it changed."""
    found = bytearray(data)
    found[at % len(data)] ^= 1 << bit
    return bytes(found)


def looked_at(run, folder: Path) -> None:
    """List and open a run; it is as it was, or a ``StoreError`` says that it is damaged."""
    assert read_row(folder)["run"] == folder.name
    try:
        again = sdlab.open_run(folder)
        assert np.array_equal(np.asarray(again.image), np.asarray(run.image))
        assert list(again.trace.sigmas) == list(run.trace.sigmas)
        for name, table in run.tables.items():
            assert again.tables[name].equals(table)
        for name in run.tensors:
            assert torch.equal(again.tensors[name], run.tensors[name])
    except StoreError as error:
        assert str(folder.parent) in str(error)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=HealthCheck)
@given(name=st.sampled_from(FILES[1:]), at=st.integers(0, 2**20), bit=st.integers(0, 7))
@example(name="tensors.safetensors", at=2000, bit=0)
@example(name="steps.parquet", at=5, bit=0)
def test_a_changed_bit_is_said_or_changes_nothing(run, whole, place, name, at, bit):
    folder = place / whole.name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    (folder / name).write_bytes(flipped((whole / name).read_bytes(), at, bit))
    looked_at(run, folder)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=HealthCheck)
@given(at=st.integers(0, 2**20), bit=st.integers(0, 7))
def test_a_changed_bit_of_a_manifest_ends_nothing(run, whole, place, at, bit):
    folder = place / whole.name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    data = flipped((whole / FILES[0]).read_bytes(), at, bit)
    (folder / FILES[0]).write_bytes(data)
    assert _table([read_row(folder) | {"age": 0}]).num_rows == 1
    try:
        sdlab.open_run(folder)
    except StoreError as error:
        assert str(folder) in str(error)


@pytest.mark.parametrize("name", FILES)
def test_what_is_cut_off_is_listed_as_damaged(stored, name):
    path = stored / name
    path.write_bytes(path.read_bytes()[:-7])
    (problem,) = sdlab.runs(stored.parent)["problem"]
    assert str(path) in problem


def test_bits_of_a_tensor_are_checked_where_it_is_used(run, stored):
    path = stored / "tensors.safetensors"
    data = path.read_bytes()
    path.write_bytes(flipped(data, len(data) - 3, 2))
    again = sdlab.open_run(stored)
    (odd,) = [name for name in again.tensors if not _can_be_had(again, name)]
    with pytest.raises(StoreError, match=f"the bytes of {odd} are not those that were written"):
        again.tensors[odd]


def _can_be_had(run, name):
    try:
        return run.tensors[name] is not None
    except StoreError:
        return False


def test_other_runs_go_on(run, stored):
    copies = [copy_of(stored, seed=seed) for seed in range(2)]
    root = stored.parent
    path = stored / "steps.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    assert sorted(chosen_runs(root)["run"]) == sorted(folder.name for folder in copies)
    assert set(table_of("steps", chosen_runs(root))["run"]) == {folder.name for folder in copies}
    assert compact_runs(root).runs == 2
    found = query_runs("SELECT DISTINCT run FROM steps", root)
    assert set(found["run"]) == {folder.name for folder in copies} and left_out(found) == ""


def test_sql_says_which_tables_it_leaves_out(run, stored):
    """Damaged after it was listed: the age of its folder is what it was."""
    other = copy_of(stored, seed=1)
    sdlab.runs(stored.parent)
    path = stored / "steps.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    found = query_runs("SELECT DISTINCT run FROM steps", stored.parent)
    assert found["run"].tolist() == [other.name]
    assert left_out(found) == f"1 damaged tables are left out: {path}"
    (other / "steps.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="No table 'steps' of a stored run can be read"):
        query_runs("SELECT * FROM steps", stored.parent)


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=HealthCheck)
@given(at=st.integers(0, 2**20), bit=st.integers(0, 7))
def test_a_changed_bit_of_a_shard_is_said_or_changes_nothing(run, compacted, at, bit):
    root = compacted.parent
    path = root / SHARDS / shard_names(root)[-1] / "steps.parquet"
    data = path.read_bytes()
    path.write_bytes(flipped(data, at, bit))
    looked_at(run, compacted)
    path.write_bytes(data)
