"""Download buttons: any bytes, or a table as CSV."""

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
    from sdlab.runs.export import csv_bytes

    file_button(label, csv_bytes(frame), f"{name}.csv", key, about=about)


def parquet_button(frame: "pd.DataFrame", name: str, key: str, about: str | None = None) -> None:
    """Draw a button that downloads a table as Parquet; arguments as of ``csv_button``."""
    from sdlab.runs.export import table_blocks

    data = b"".join(table_blocks(frame, "parquet"))
    file_button("Parquet", data, f"{name}.parquet", key, about=about)
