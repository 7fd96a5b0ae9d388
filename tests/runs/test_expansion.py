"""A table that would take far more memory than its file has bytes is refused before it is read."""

import pyarrow as pa
import pytest
from pyarrow import parquet

import sdlab
from sdlab.errors import StoreError
from sdlab.runs.compact import compact_runs
from sdlab.runs.expansion import ROOM, check_expansion
from sdlab.runs.export import export_run
from sdlab.runs.run_folder import read_table


def repeated(rows, value):
    places = pa.repeat(pa.scalar(0, pa.int32()), rows)
    return pa.table({"run": pa.DictionaryArray.from_arrays(places, pa.array([value]))})


BOMBS = {
    "rows": (lambda: repeated(9_000_000, 1), "snappy"),
    "many texts": (lambda: repeated(3_000_000, "x" * 40), "snappy"),
    "long texts": (lambda: repeated(1000, "x" * 1_000_000), "zstd"),
    "compressed": (lambda: pa.table({"run": ["x" * ROOM, "y" * ROOM]}), "zstd"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_expands_is_refused(tmp_path, name):
    make, codec = BOMBS[name]
    path = tmp_path / "steps.parquet"
    parquet.write_table(make(), path, compression=codec, row_group_size=10_000_000)
    assert path.stat().st_size < 200_000
    before = pa.default_memory_pool().max_memory()
    with pytest.raises(StoreError, match=r"would take .* in memory; sdlab wrote no such file"):
        check_expansion(path)
    assert pa.default_memory_pool().max_memory() <= max(before, ROOM)


def test_what_no_table_has_is_refused(tmp_path):
    path = tmp_path / "steps.parquet"
    parquet.write_table(pa.table({"run": [[1, 2]]}), path)
    with pytest.raises(StoreError, match=r"has lists in run"):
        check_expansion(path)
    parquet.write_table(pa.table({"run": ["a"]}), path, compression="gzip")
    with pytest.raises(StoreError, match="compressed by GZIP"):
        check_expansion(path)


def test_what_is_large_by_right_is_read(tmp_path):
    path = tmp_path / "steps.parquet"
    ids = [f"{number:016x}" for number in range(3000)]
    table = pa.table({"run": [run for run in ids for _ in range(300)]})
    parquet.write_table(table, path, compression="zstd")
    check_expansion(path)


def test_every_door_refuses_one_and_goes_on_with_the_others(run, stored, tmp_path):
    make, codec = BOMBS["long texts"]
    parquet.write_table(make(), stored / "steps.parquet", compression=codec)
    for door in (
        lambda: sdlab.open_run(stored),
        lambda: read_table(stored, "steps"),
        lambda: export_run(stored, "csv", tmp_path / "out"),
    ):
        with pytest.raises(StoreError, match="would take"):
            door()
    assert compact_runs(stored.parent).runs == 0
    assert len(read_table(stored, "channels")) == len(run.tables["channels"])
