"""What folders of runs and of comparisons share: a manifest and tables, read with suspicion."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.json"


def read_json_manifest(folder: Path, what: str, form: int, limit: int) -> dict[str, Any]:
    """Return the manifest of a folder.

    Args:
        folder: That holds it.
        what: What the folder is of, for the message: "run".
        form: The number of the format that is understood.
        limit: The most bytes that it may have.

    Raises:
        StoreError: If it is missing, no JSON, or of a format that this version does not know.
    """
    path = folder / MANIFEST
    try:
        if path.stat().st_size > limit:
            raise StoreError(f"{path} is larger than {limit:,} bytes; it is no manifest.")
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"There is no {what} in {folder}: it has no {MANIFEST}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(manifest, dict):
        raise StoreError(f"{path} must hold a JSON object, not a {type(manifest).__name__}.")
    if manifest.get("format") != form:
        raise StoreError(
            f"{path} is of format {manifest.get('format')!r}; this version of sdlab reads format"
            f" {form}. A newer sdlab may have written it: update."
        )
    return manifest


def read_parquet(path: Path, columns: Iterable[str]) -> "pd.DataFrame":
    """Return a stored table.

    Args:
        path: Of the Parquet file.
        columns: That it must have.

    Raises:
        StoreError: If it is no Parquet file or lacks a column.
    """
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises its own, and OSError, and ValueError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(f"{path} cannot be read as Parquet: {reason}") from error
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise StoreError(
            f"{path} lacks the columns {', '.join(absent)}. An older sdlab may have written it:"
            " make it again."
        )
    return table
