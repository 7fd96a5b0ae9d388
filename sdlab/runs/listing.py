"""Lists the stored runs from their manifests; there is no index that could be out of date."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import StoreError
from sdlab.runs import RUN_ID, runs_root
from sdlab.runs.atomic import recover_all
from sdlab.runs.reading import png_size
from sdlab.runs.run_folder import FILES, IMAGE, read_facts

if TYPE_CHECKING:
    import pandas as pd

SPEC = (
    "prompt",
    "negative_prompt",
    "seed",
    "solver",
    "curve",
    "num_steps",
    "guidance_scale",
    "eta",
)
COLUMNS = ("run", "created", *SPEC, "width", "height", "model", "model_hash", "path", "problem")


def list_runs(root: str | Path | None = None) -> "pd.DataFrame":
    """Return one row for every run folder, the newest first.

    A folder that cannot be read has a row too, with the reason in ``problem``.

    Args:
        root: The folder of all runs; None for ``runs_root()``.

    Returns:
        A table with the columns ``COLUMNS``; ``created`` is in UTC, ``problem`` is empty for a
        whole run.
    """
    import pandas as pd

    folder = runs_root() if root is None else Path(root).expanduser()
    recover_all(folder)
    paths = [p for p in folder.iterdir() if RUN_ID.fullmatch(p.name)] if folder.is_dir() else []
    rows = [_row(path) for path in sorted(paths)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["created"] = pd.to_datetime(table["created"], utc=True, errors="coerce")
    # Up to 2**64 - 1: beyond int64, and a float, which a missing one would make of all, rounds it.
    table["seed"] = pd.Series([row.get("seed") for row in rows], dtype=object)
    table = table.sort_values("created", ascending=False, na_position="last", kind="stable")
    return table.reset_index(drop=True)


def _row(path: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"run": path.name, "path": str(path), "problem": ""}
    try:
        manifest, experiment = read_facts(path)
        missing = [name for name in FILES if not (path / name).is_file()]
        if missing:
            raise StoreError(f"{path} lacks {', '.join(missing)}.")
        png_size(path / IMAGE)
    except StoreError as error:
        row["problem"] = str(error)
        return row
    row |= {name: manifest[name] for name in ("created", "width", "height")}
    row |= {name: getattr(experiment, name) for name in SPEC}
    return row | {"model": manifest["model"]["name"], "model_hash": manifest["model"]["hash"]}
