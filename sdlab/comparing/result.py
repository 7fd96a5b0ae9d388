"""The result of a comparison: its tables, its verdict, and the ids of the runs behind it.

It is kept under the folder of all runs, as ``.comparisons/<id>/`` with a ``manifest.json`` and one
Parquet file a table, and the pictures that its runs start from; written whole or not at all, like a
run.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.comparing.columns import TABLES
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.target import TARGET
from sdlab.errors import StoreError
from sdlab.runs import run_path
from sdlab.runs.atomic import write_folder
from sdlab.runs.leavings import recover
from sdlab.runs.parquet import parquet_bytes
from sdlab.runs.parts import COMPARISON_FORMAT, COMPARISON_LIMIT, COMPARISONS
from sdlab.runs.pictures import read_pictures, save_pictures
from sdlab.runs.reading import MANIFEST, check_folder, read_json_manifest, read_parquet

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.runs.run import Run

FOLDER = COMPARISONS
STORED = {**TABLES, "ties": ("a", "b", "ratio", "p", "pictures")}
"""The columns that a stored table must have; ties have more since 2026-11-28."""


@dataclass(frozen=True, eq=False)
class Result:
    """The result of a comparison.

    Attributes:
        comparison: What was compared.
        tables: Tidy tables by name; ``sdlab.comparing.columns`` describes their columns.
        verdict: Sentences made from the numbers.
        ids: The runs behind it that are done, references first.
        model_name: The name under which the model was loaded.
        model_hash: Of the model's weights.
        created: When, ISO 8601 with time zone.
        target: The error that the verdict asks for, in standard deviations of the latents.
        made: The runs themselves by id, if they are in memory.
    """

    comparison: Comparison
    tables: "Mapping[str, pd.DataFrame]"
    verdict: tuple[str, ...]
    ids: tuple[str, ...]
    model_name: str
    model_hash: str
    created: str
    target: float = TARGET
    made: "Mapping[str, Run]" = field(default_factory=dict, repr=False)

    @property
    def id(self) -> str:
        """The comparison's id."""
        return self.comparison.id

    @property
    def unreferenced(self) -> int:
        """How many pictures lack a reference that was asked for, or know not its own error."""
        if not self.comparison.reference_steps:
            return 0
        return len(self.comparison.pictures) - int(self.tables["references"]["change"].count())

    def __getattr__(self, name: str) -> "pd.DataFrame":
        """Return a table by its name: ``result.cost``."""
        if name in TABLES:
            return self.tables[name]
        raise AttributeError(f"a comparison's result has no {name!r}; tables: {', '.join(TABLES)}.")

    @property
    def manifest(self) -> dict[str, Any]:
        """The JSON values that are stored beside the tables."""
        return {
            "format": COMPARISON_FORMAT,
            "id": self.id,
            "comparison": self.comparison.to_dict(),
            "verdict": list(self.verdict),
            "target": self.target,
            "runs": list(self.ids),
            "model": {"name": self.model_name, "hash": self.model_hash},
            "created": self.created,
        }

    def save(self, root: str | Path) -> Path:
        """Write it to ``root``/.comparisons/<id> in one piece and return that path.

        A result of the same id is replaced. The runs are not written; ``Run.save`` does that.

        Args:
            root: The folder of all runs.

        Raises:
            StoreError: If it cannot be written whole; nothing half is left, nothing old is lost.
        """

        def write(place: Path) -> None:
            text = json.dumps(self.manifest, indent=2, ensure_ascii=False, allow_nan=False)
            (place / MANIFEST).write_text(text + "\n", encoding="utf-8")
            save_pictures(self.comparison, place)
            for name, table in self.tables.items():
                (place / f"{name}.parquet").write_bytes(parquet_bytes(table))

        return write_folder(result_path(root, self.id), write)


def result_path(root: str | Path, comparison: str) -> Path:
    """Return the folder of a comparison's result by its id; whether it exists is not asked.

    Args:
        root: The folder of all runs.
        comparison: The comparison's id.

    Raises:
        StoreError: If the id is not 16 digits of 0-9 and a-f, or the folder of comparisons is a
            link.
    """
    return run_path(check_folder(Path(root).expanduser() / FOLDER), comparison)


def open_result(root: str | Path, comparison: str) -> Result:
    """Return a stored result.

    Args:
        root: The folder of all runs.
        comparison: The comparison's id.

    Raises:
        StoreError: If there is none, or a file of it is missing or damaged; the message names it.
    """
    folder = result_path(root, comparison)
    recover(folder)
    manifest = read_json_manifest(folder, "comparison", COMPARISON_FORMAT, COMPARISON_LIMIT)
    tables = {n: read_parquet(folder / f"{n}.parquet", columns) for n, columns in STORED.items()}
    try:
        spec, _ = read_pictures(Comparison.from_dict(manifest["comparison"]), [folder])
        result = Result(
            spec,
            tables,
            tuple(manifest["verdict"]),
            tuple(manifest["runs"]),
            manifest["model"]["name"],
            manifest["model"]["hash"],
            manifest["created"],
            float(manifest.get("target", TARGET)),  # kept since 2026-11-28
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{folder / MANIFEST} holds no valid comparison: {error}") from error
    if spec.id != comparison:
        raise StoreError(
            f"{folder} holds the comparison {spec.id}, not the one it is named for; its"
            f" {MANIFEST} was changed, or the folder renamed."
        )
    if set(TABLES["ties"]) <= set(tables["ties"].columns):
        return result
    from sdlab.comparing.summary import judge_anew  # which imports this module

    return judge_anew(result)
