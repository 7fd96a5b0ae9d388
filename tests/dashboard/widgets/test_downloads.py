"""A table's file is written once for equal tables, and anew for any other."""

import pandas as pd
import pytest

from dashboard.widgets.downloads import _digest, table_bytes
from sdlab.runs import export
from sdlab.runs.export import csv_bytes, table_blocks

TABLE = pd.DataFrame({"run": ["a", "b"], "step": [1, 2], "sigma": [0.5, None]})
OTHERS = {
    "a value": TABLE.assign(sigma=[0.5, 0.25]),
    "a type": TABLE.astype({"step": float}),
    "a name": TABLE.rename(columns={"run": "id"}),
    "columns": TABLE[["step", "run", "sigma"]],
    "rows": TABLE.iloc[::-1],
    "fewer": TABLE.head(1),
    "an index": TABLE.set_index("step", drop=False),
    "lists": TABLE.assign(run=[[1], [2]]),
    "other lists": TABLE.assign(run=[[1], [3]]),
}


def test_equal_tables_are_written_once(monkeypatch):
    frame = TABLE.assign(run=["once", "only"])
    first = {kind: table_bytes(frame, kind) for kind in ("csv", "parquet")}
    assert first["csv"] == csv_bytes(frame)
    assert first["parquet"] == b"".join(table_blocks(frame, "parquet"))
    monkeypatch.setattr(export, "table_blocks", None)
    assert {kind: table_bytes(frame.copy(), kind) for kind in first} == first


@pytest.mark.parametrize("what", OTHERS)
def test_another_table_is_another_file(what):
    found = {_digest(other) for name, other in OTHERS.items() if name != what}
    assert len(found) == len(OTHERS) - 1 and _digest(TABLE) not in found
    assert _digest(OTHERS[what]) not in found | {_digest(TABLE)}
    assert table_bytes(OTHERS[what], "csv") == csv_bytes(OTHERS[what])
