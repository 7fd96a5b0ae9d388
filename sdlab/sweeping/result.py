"""The result of a sweep: one tidy table, with a row for each picture and a column for each axis."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sdlab.errors import StoreError, unknown
from sdlab.experiment.grid import Grid
from sdlab.experiment.sweep import Sweep, SweepCell
from sdlab.intervals import half_width
from sdlab.runs import run_path
from sdlab.runs.atomic import write_file
from sdlab.runs.contact_sheet import stored_sheet
from sdlab.runs.manifest import was_shared
from sdlab.runs.parquet import parquet_bytes
from sdlab.runs.run_folder import open_run, read_manifest
from sdlab.runs.sweep_parts import TABLE
from sdlab.sweeping.distance import Distance
from sdlab.sweeping.measures import OF_MANIFEST, Measure, named
from sdlab.sweeping.sweep_folder import SweepFolder
from sdlab.work import finish

if TYPE_CHECKING:
    import pandas as pd

    from sdlab.work import Work

SHEET = "sheet.png"
STATES = ("done", "failed", "missing")
_GOAL = re.compile(r"\s*(minimize|maximize)\s*:\s*(\S+)\s*")


@dataclass(frozen=True, eq=False)
class SweepResult:
    """A sweep with what became of it.

    Attributes:
        sweep: What was asked for.
        table: One row a picture: ``run``, a column for each axis, ``state`` ("done", "failed",
            "missing"), ``nfe``, ``seconds``, ``shared`` (whether other runs shared its network
            calls), a column for each further measure, and ``error``.
        root: The folder of all runs.
    """

    sweep: Sweep
    table: "pd.DataFrame"
    root: Path

    @property
    def id(self) -> str:
        """The sweep's id."""
        return self.sweep.id

    @property
    def axes(self) -> list[str]:
        """The columns that are axes."""
        return [axis.field for axis in self.sweep.axes]

    @property
    def measures(self) -> list[str]:
        """The columns that are measures."""
        kept = {"run", "state", "shared", "error", *self.axes}
        return [str(name) for name in self.table.columns if name not in kept]

    def cells(self, measure: str, over: Sequence[str] = ("seed",)) -> "pd.DataFrame":
        """Return a measure's mean for each combination of values, over the seeds.

        Args:
            measure: A column, such as "seconds".
            over: The axes that are averaged over; those that the sweep lacks count for nothing.

        Returns:
            The other axes' columns, the measure, ``low`` and ``high`` (Student's 95 % interval of
            the mean; missing for one run), and ``runs``, how many there are.

        Raises:
            ValueError: If there is no such measure.
        """
        import pandas as pd

        measure = named(measure)
        if measure not in self.measures:
            raise ValueError(unknown("measure of this sweep", measure, self.measures))
        by = [name for name in self.axes if name not in over]
        known = self.table.dropna(subset=[measure])
        groups = known.groupby(by, sort=False, dropna=False) if by else [((), known)]
        rows = [
            {**dict(zip(by, values, strict=True)), **_mean(measure, group[measure].astype(float))}
            for values, group in groups
            if len(group)
        ]
        return pd.DataFrame(rows, columns=[*by, measure, "low", "high", "runs"])

    def best(self, goal: str, over: Sequence[str] = ("seed",)) -> dict[str, Any]:
        """Return the combination of values that is best by a measure, as a row of ``cells``.

        Args:
            goal: Such as "minimize: seconds" or "maximize: fidelity".
            over: As for ``cells``.

        Raises:
            ValueError: If the goal cannot be read, there is no such measure, or no run has it.
        """
        way, measure = goal_of(goal)
        cells = self.cells(measure, over)
        if not len(cells):
            raise ValueError(f"No run of this sweep has the measure {measure!r}.")
        at = cells[measure].idxmin() if way == "minimize" else cells[measure].idxmax()
        (row,) = cells.loc[[at]].to_dict("records")
        return {str(name): value for name, value in row.items()}

    def sheet(self) -> bytes:
        """Return the labelled contact sheet as PNG.

        Raises:
            ValueError: If the sweep does not fit on a sheet: three axes, 64 pictures.
        """
        errors = dict(zip(self.table["run"], self.table["error"], strict=True))
        said = {run: error for run, error in errors.items() if error}
        return stored_sheet(self.root, Grid(self.sweep.base, self.sweep.axes), said)[0]

    def save(self) -> Path:
        """Write table and, if there is one, contact sheet into the sweep's folder; return that.

        Raises:
            StoreError: If the disk cannot be written.
        """
        folder = SweepFolder(self.root, self.id).path
        write_file(folder / TABLE, partial(_write_table, self.table))
        if fits_on_a_sheet(self.sweep):
            png = self.sheet()
            write_file(folder / SHEET, lambda stream: stream.write(png))
        return folder


def sweep_result(
    sweep: Sweep, root: str | Path, measures: Mapping[str, Measure] | None = None
) -> SweepResult:
    """Return what became of a sweep, from the stored runs.

    Args:
        sweep: Which.
        root: The folder of all runs.
        measures: Further measures by name; each stored run is opened for them.
    """
    return finish(summing_up(sweep, root, measures))


def summing_up(
    sweep: Sweep, root: str | Path, measures: Mapping[str, Measure] | None = None
) -> "Work[SweepResult]":
    """Do ``sweep_result`` as a computation that yields the runs that were read and all."""
    import pandas as pd

    place = Path(root).expanduser()
    errors = SweepFolder(place, sweep.id).errors()
    fields = [axis.field for axis in sweep.axes]
    known = {
        name: measure.within(place) if isinstance(measure, Distance) else measure
        for name, measure in (measures or {}).items()
    }
    rows = []
    for cell in sweep.cells:
        rows.append(_row(cell, fields, place, errors, known))
        yield len(rows), len(sweep.cells)
    table = pd.DataFrame(rows)
    for name in fields:
        table[name] = _one_kind(table[name])
    return SweepResult(sweep, table, place)


def open_sweep(root: str | Path, sweep: str) -> SweepResult:
    """Return a stored sweep's result as it was saved, or of what there is if it never ended.

    Args:
        root: The folder of all runs.
        sweep: The sweep's id.

    Raises:
        StoreError: If there is no such sweep, or a file of it is damaged.
    """
    from sdlab.runs.reading import read_parquet

    folder = SweepFolder(root, sweep)
    spec = folder.sweep()
    if not (folder.path / TABLE).is_file():
        return sweep_result(spec, root)
    needed = ("run", *(axis.field for axis in spec.axes), "state", *OF_MANIFEST, "error")
    return SweepResult(spec, read_parquet(folder.path / TABLE, needed), Path(root).expanduser())


def stored_states(root: str | Path, sweep: str) -> dict[str, int]:
    """Return how many pictures of a sweep are in each state by its stored table; {} without one.

    Raises:
        StoreError: If the table is damaged.
    """
    from sdlab.runs.reading import read_parquet

    path = SweepFolder(root, sweep).path / TABLE
    if not path.is_file():
        return {}
    counts = read_parquet(path, ("state",))["state"].value_counts()
    return {state: int(counts[state]) for state in STATES if state in counts}


def fits_on_a_sheet(sweep: Sweep) -> bool:
    """Return whether a sweep has a contact sheet: up to three axes and 64 pictures."""
    try:
        Grid(sweep.base, sweep.axes)
    except ValueError:
        return False
    return True


def goal_of(text: str) -> tuple[str, str]:
    """Return "minimize" or "maximize" and the measure of a goal such as "minimize: seconds".

    Raises:
        ValueError: If it is not written so.
    """
    if not (match := _GOAL.fullmatch(text)):
        raise ValueError(f"A goal is 'minimize: MEASURE' or 'maximize: MEASURE', got {text!r:.80}.")
    return match[1], named(match[2])


def _row(
    cell: SweepCell,
    fields: Sequence[str],
    root: Path,
    errors: Mapping[str, str],
    measures: Mapping[str, Measure],
) -> dict[str, Any]:
    run = cell.experiment.id
    row = {"run": run, **dict(zip(fields, cell.values, strict=True)), "state": "done"}
    empty = {**dict.fromkeys(OF_MANIFEST), "shared": None, **dict.fromkeys(measures)}
    try:
        facts = read_manifest(run_path(root, run))
        measured = _measured(run_path(root, run), measures)
    except (OSError, StoreError):
        state = "failed" if run in errors else "missing"
        return {**row, "state": state, **empty, "error": errors.get(run, "")}
    seconds = facts["total_ms"] / 1000 if "total_ms" in facts else None
    own = {"nfe": facts.get("nfe"), "seconds": seconds, "shared": was_shared(facts)}
    return {**row, **own, **measured, "error": ""}


def _measured(folder: Path, measures: Mapping[str, Measure]) -> dict[str, float | None]:
    if not measures:
        return {}
    run = open_run(folder)
    return {name: measure(run) for name, measure in measures.items()}


def _mean(measure: str, values: "pd.Series[Any]") -> dict[str, Any]:
    middle, half = float(values.mean()), half_width(values.to_numpy())
    return {measure: middle, "low": middle - half, "high": middle + half, "runs": len(values)}


def _one_kind(values: Iterable[Any]) -> list[Any]:
    """Return values of a column as Parquet takes them: as JSON where they are of several kinds."""
    listed = list(values)
    kinds = {type(value) for value in listed if value is not None}
    if len(kinds) > 1 and not kinds <= {int, float} or tuple in kinds:
        return [None if value is None else json.dumps(value) for value in listed]
    return listed


def _write_table(table: "pd.DataFrame", stream: BinaryIO) -> None:
    stream.write(parquet_bytes(table))
