"""What is sent of a run: parameters, measures of each evaluation, pictures, its manifest."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.runs.differences import settings_of
from sdlab.runs.marks import Marks, read_marks
from sdlab.runs.pictures import PATTERN
from sdlab.runs.reading import MANIFEST, check_plain
from sdlab.runs.run_folder import IMAGE, read_facts, read_table

if TYPE_CHECKING:
    import pandas as pd

_PLACE = ("run", "step", "evaluation")
_TOTALS = ("nfe", "total_ms")


@dataclass(frozen=True)
class Parcel:
    """A stored run as other programs take it.

    Attributes:
        run: The run's id.
        name: For people: solver, steps, seed.
        created: When it was made.
        settings: Every setting by name, as text, as in ``sdlab.runs.differences.settings_table``;
            those that are empty are left out.
        marks: A person's star, tags and note.
        measures: Of each evaluation, by its number: the finite numbers of the ``steps`` table.
        totals: Network evaluations and milliseconds of the whole run.
        pictures: The files of the picture and of those that it started from.
        manifest: The file with all of the settings in full.
    """

    run: str
    name: str
    created: datetime
    settings: Mapping[str, str]
    marks: Marks
    measures: Mapping[int, Mapping[str, float]]
    totals: Mapping[str, float]
    pictures: tuple[Path, ...]
    manifest: Path


def parcel_of(folder: Path) -> Parcel:
    """Return what is sent of the run in a folder.

    Raises:
        StoreError: If it cannot be read.
    """
    facts, experiment = read_facts(folder)
    pictures = (folder / IMAGE, *sorted(folder.glob(PATTERN)))
    for path in pictures:
        check_plain(path)
    settings = {name: value for name, value in settings_of(facts, experiment).items() if value}
    created = datetime.fromisoformat(facts["created"])
    return Parcel(
        run=folder.name,
        name=f"{experiment.solver}, {experiment.num_steps} steps, seed {experiment.seed}",
        created=created if created.tzinfo else created.replace(tzinfo=UTC),
        settings=settings,
        marks=read_marks(folder),
        measures=measures_of(read_table(folder, "steps")),
        totals={name: float(facts[name]) for name in _TOTALS if _finite(facts.get(name))},
        pictures=pictures,
        manifest=folder / MANIFEST,
    )


def measures_of(steps: "pd.DataFrame") -> dict[int, dict[str, float]]:
    """Return the finite numbers of a ``steps`` table by evaluation and column.

    Args:
        steps: As ``sdlab.columns.STEPS`` describes it.
    """
    names = [name for name in steps.select_dtypes("number").columns if name not in _PLACE]
    rows = steps[names].astype(float).to_dict("records")
    return {
        int(number): {str(name): value for name, value in row.items() if math.isfinite(value)}
        for number, row in zip(steps["evaluation"], rows, strict=True)
    }


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
