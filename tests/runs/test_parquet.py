"""Tables are written as pyarrow itself writes them."""

import io

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from sdlab.runs.parquet import arrow_table, parquet_bytes, parquet_files

TABLES = {
    "plain": pd.DataFrame(
        {"a": [1.5, np.nan], "b": [1, 2], "c": [True, False], "d": ["x", None], "f": np.float32(1)}
    ),
    "nullable": pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": ["", "夜"]}),
    "empty": pd.DataFrame({"a": pd.Series([], dtype="float64"), "b": pd.Series([], dtype="str")}),
    "no kinds": pd.DataFrame(columns=["a", "b"]),
    "mixed": pd.DataFrame({"a": pd.Series([None, None], dtype=object), "b": [[1], [2, 3]]}),
    "other index": pd.DataFrame({"a": [1, 2]}, index=[7, 9]),
    "strided": pd.DataFrame(np.arange(12.0).reshape(4, 3), columns=list("abc")).iloc[::2],
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_what_pyarrow_makes_of_it(name):
    expected = pyarrow.Table.from_pandas(TABLES[name], preserve_index=False)
    made = arrow_table(TABLES[name])
    assert made.equals(expected) and made.schema.equals(expected.schema, check_metadata=True)


def test_the_tables_of_a_run_are_the_same(run):
    for table in run.tables.values():
        expected = pyarrow.Table.from_pandas(table, preserve_index=False)
        made = arrow_table(table)
        assert made.equals(expected) and made.schema.equals(expected.schema, check_metadata=True)
        again = pd.read_parquet(io.BytesIO(parquet_bytes(table)))
        pd.testing.assert_frame_equal(again, table.reset_index(drop=True))


@pytest.mark.parametrize("name", TABLES)
def test_tables_made_together_are_those_made_alone(name):
    tables = [TABLES[name], TABLES[name].iloc[:1], TABLES[name].iloc[:0], TABLES["plain"]]
    for listed in (tables[:3], tables, tables[:1], []):
        for data, table in zip(parquet_files(listed), listed, strict=True):
            made, alone = (parquet.read_table(io.BytesIO(x)) for x in (data, parquet_bytes(table)))
            assert made.equals(alone) and made.schema.equals(alone.schema, check_metadata=True)
