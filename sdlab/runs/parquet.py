"""Tables as Parquet files, made in memory and fast: a run has four small ones.

pyarrow works out anew for each table what its columns are and what pandas is to be told of them,
which takes longer than all else where a table is small. Here that is kept for tables alike, and
the tables of runs that are stored together are taken over together.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

Kind = tuple[tuple[Any, ...], tuple[Any, ...]]
"""The names of a table's columns, and of what kind each is."""


def parquet_bytes(table: "pd.DataFrame") -> bytes:
    """Return a table as the bytes of a Parquet file, without its index."""
    return _written(arrow_table(table))


def parquet_files(tables: "Sequence[pd.DataFrame]") -> list[bytes]:
    """Return what ``parquet_bytes`` does of each table, in less time if they are alike."""
    import pandas as pd

    kinds = {_kind(table) for table in tables}
    if len(kinds) != 1 or _schema(*kinds) is None:
        return [parquet_bytes(table) for table in tables]
    whole = arrow_table(pd.concat(tables, ignore_index=True))
    ends = list(accumulate(map(len, tables), initial=0))
    return [_written(whole.slice(at, len(table))) for at, table in zip(ends, tables, strict=False)]


def files_of_all(
    runs: "Sequence[Mapping[str, pd.DataFrame]]",
) -> list[dict[str, bytes]]:
    """Return the tables of runs, by name, as Parquet files; those of all are made together."""
    found: list[dict[str, bytes]] = [{} for _ in runs]
    for name in dict.fromkeys(name for tables in runs for name in tables):
        having = [place for place, tables in enumerate(runs) if name in tables]
        files = parquet_files([runs[place][name] for place in having])
        for place, data in zip(having, files, strict=True):
            found[place][name] = data
    return found


def arrow_table(table: "pd.DataFrame") -> "pyarrow.Table":
    """Return what ``pyarrow.Table.from_pandas`` does, without the index."""
    import pyarrow

    schema = _schema(_kind(table))
    if schema is None:
        return pyarrow.Table.from_pandas(table, preserve_index=False)
    arrays = [_array(column) for _, column in table.items()]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _kind(table: "pd.DataFrame") -> Kind:
    return tuple(table.columns), tuple(table.dtypes)


@lru_cache(maxsize=64)
def _schema(kind: Kind) -> "pyarrow.Schema | None":
    """Return the schema of tables of a kind; None if it depends on what is in them."""
    import pandas as pd
    import pyarrow

    names, kinds = kind
    if not all(map(_is_plain, kinds)) or len(set(names)) < len(names):
        return None
    empty = {name: pd.Series([], dtype=of) for name, of in zip(names, kinds, strict=True)}
    return pyarrow.Schema.from_pandas(pd.DataFrame(empty), preserve_index=False)


def _written(table: "pyarrow.Table") -> bytes:
    import pyarrow
    from pyarrow import parquet

    sink = pyarrow.BufferOutputStream()
    parquet.write_table(table, sink, write_page_checksum=True)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _is_plain(kind: Any) -> bool:
    import pandas as pd

    return kind.kind in "bif" or isinstance(kind, (pd.StringDtype, pd.Int64Dtype))


def _array(column: "pd.Series[Any]") -> "pyarrow.Array":
    import pyarrow

    values = column.array if hasattr(column.array, "__arrow_array__") else column.to_numpy()
    return pyarrow.array(values, from_pandas=True)
