"""What the benchmarks share that train many small networks: a table of trainings that goes on.

Each training is one row of a CSV file, written as soon as it is done, so a script that was stopped
goes on where it was. Figures are means over the seeds, with Student's 95 % interval.
"""

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from report import Report

from sdlab.intervals import half_width

Row = Mapping[str, object]


@dataclass(frozen=True)
class Figure:
    """A mean over seeds with its 95 % interval."""

    mean: float
    low: float
    high: float
    seeds: int

    @property
    def note(self) -> str:
        """The interval and the seeds, in words."""
        return f"95 % {self.low:.4f} to {self.high:.4f}, {self.seeds} seeds"


def interval(values: list[float]) -> Figure:
    """Return the mean with Student's 95 % interval; of one value the interval is endless."""
    mean, count = float(np.mean(values)), len(values)
    half = half_width(values) if count > 1 else math.inf
    return Figure(mean, mean - half, mean + half, count)


@dataclass(frozen=True)
class Trainings:
    """A table of trainings.

    Attributes:
        fields: Its columns.
        known_by: Those that say which training a row is of.
        alike: Those that are the same for all seeds of one network.
    """

    fields: tuple[str, ...]
    known_by: tuple[str, ...]
    alike: tuple[str, ...]

    def key(self, row: Row) -> tuple[str, ...]:
        """Return what a training is known by."""
        return tuple(str(row[name]) for name in self.known_by)

    def append(self, row: Row, path: Path) -> None:
        """Write a row at the end of the file."""
        new = not path.is_file()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, self.fields, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)

    def train_missing(self, wanted: Iterable[tuple[Row, Callable[[], Row]]], path: Path) -> None:
        """Train and store what the file lacks.

        Args:
            wanted: Of every training what it is known by, and what trains it and returns its row.
            path: Of the file.
        """
        there = {self.key(row) for row in stored(path)}
        for asked, train in wanted:
            if self.key(asked) not in there:
                self.append(train(), path)

    def figures(self, rows: Iterable[Row], measure: str) -> dict[tuple[str, ...], Figure]:
        """Return mean and interval over the seeds of each network that has the measure."""
        groups: dict[tuple[str, ...], list[float]] = {}
        for row in rows:
            if row[measure]:
                group = tuple(str(row[name]) for name in self.alike)
                groups.setdefault(group, []).append(float(str(row[measure])))
        return {group: interval(values) for group, values in groups.items()}

    def tell(self, report: Report, rows: list[dict[str, str]], measures: dict[str, str]) -> None:
        """Add a row to the report for every network's figures."""
        for measure, title in measures.items():
            for group, figure in self.figures(rows, measure).items():
                report.add(f"{title}: {', '.join(group)}", figure.mean, note=figure.note)


def stored(path: Path) -> list[dict[str, str]]:
    """Return the rows that there are."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_between(path: Path, name: str, table: str) -> None:
    """Put a table into a page between ``<!-- name -->`` and ``<!-- end of name -->``."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    head, rest = path.read_text("utf-8").split(begin)
    _, tail = rest.split(end)
    path.write_text(f"{head}{begin}\n{table}\n{end}{tail}", "utf-8")


def options(seeds: int, path: Path) -> dict[str, dict]:
    """Return the flags of such a benchmark."""
    return {
        "--table": {"action": "store_true", "help": "only write the tables of the docs"},
        "--seeds": {"type": int, "default": seeds, "help": "trainings of each network"},
        "--csv": {"type": Path, "default": path, "help": "where the trainings are kept"},
    }


def asked_rows(
    report: Report,
    quick: Callable[[], list[dict[str, str]]],
    train_missing: Callable[[int, Path], None],
) -> list[dict[str, str]]:
    """Return the rows of a quick run, or all that are stored once what they lack is trained."""
    if report.arguments.quick:
        return quick()
    train_missing(report.arguments.seeds, report.arguments.csv)
    return stored(report.arguments.csv)
