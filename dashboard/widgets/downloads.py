"""Download buttons: any bytes, or a table as CSV."""

import hashlib
from pathlib import PurePath
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd

MEDIA_TYPES = {
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".json": "application/json",
    ".mp4": "video/mp4",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".txt": "text/plain",
    ".webp": "image/webp",
}


def file_button(
    label: str, data: bytes, name: str, key: str, icon: str = "download", about: str | None = None
) -> None:
    """Draw a button that downloads a file; a click does not run the page again.

    Args:
        label: On the button.
        data: What is in the file.
        name: The file's, whose ending says what it is.
        key: Of the button.
        icon: A name of Material Symbols.
        about: What shows while the pointer rests on it.
    """
    st.download_button(
        label,
        data=data,
        file_name=name,
        mime=MEDIA_TYPES.get(PurePath(name).suffix, "application/octet-stream"),
        key=key,
        icon=f":material/{icon}:",
        on_click="ignore",
        help=about,
    )


def csv_button(
    frame: "pd.DataFrame", name: str, key: str, label: str = "CSV", about: str | None = None
) -> None:
    """Draw a button that downloads a table as CSV; ``name`` is the file's, without its ending."""
    file_button(label, table_bytes(frame, "csv"), f"{name}.csv", key, about=about)


def parquet_button(frame: "pd.DataFrame", name: str, key: str, about: str | None = None) -> None:
    """Draw a button that downloads a table as Parquet; arguments as of ``csv_button``."""
    data = table_bytes(frame, "parquet")
    file_button("Parquet", data, f"{name}.parquet", key, about=about)


def table_bytes(frame: "pd.DataFrame", kind: str) -> bytes:
    """Return a table as "csv" or "parquet"; of equal tables it is written once.

    A page is drawn again at each click, and writing takes 30 times as long as telling that the
    table is the same, or more. Streamlit could write on the click alone, but deletes what it then
    wrote as soon as two scripts of anybody end, maybe before the browser has asked for it.
    """
    return _written(kind, _digest(frame), frame)


@st.cache_data(max_entries=16, show_spinner=False)
def _written(kind: str, digest: str, _frame: "pd.DataFrame") -> bytes:
    from sdlab.runs.export import table_blocks

    return b"".join(table_blocks(_frame, kind))


def _digest(frame: "pd.DataFrame") -> str:
    """Return a text that is another for other values, types, names, notes or order."""
    from pandas.util import hash_pandas_object

    from sdlab.runs.export import csv_bytes

    head = repr(([(name, str(kind)) for name, kind in frame.dtypes.items()], frame.attrs))
    try:
        rows = hash_pandas_object(frame, index=True).to_numpy().tobytes()
    except TypeError:  # lists and the like
        rows = csv_bytes(frame)
    return hashlib.sha256(head.encode() + rows).hexdigest()
