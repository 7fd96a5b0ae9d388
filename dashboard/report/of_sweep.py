"""What is in the report of a sweep or a grid: its table, measures over its axes, its pictures."""

from collections.abc import Iterator
from pathlib import Path

import altair as alt
import pandas as pd

from dashboard.charts.sweep import UNITS, Column, across_and_lines, averaged, cell_lines
from dashboard.report.of_run import meanings
from dashboard.report.of_runs import MOST_PICTURES
from dashboard.report.parts import (
    POINTS,
    Code,
    Figures,
    Gallery,
    Part,
    Picture,
    Report,
    Section,
    Table,
    Words,
)
from dashboard.worker.stored_runs import read_picture
from sdlab.columns import GRID
from sdlab.errors import StoreError
from sdlab.experiment.grid import Grid
from sdlab.experiment.sweep import Sweep
from sdlab.reproducing.snippet import sweep_snippet
from sdlab.runs import run_path
from sdlab.runs.contact_sheet import in_common
from sdlab.runs.grids import grid_table
from sdlab.runs.run_folder import read_manifest
from sdlab.sweeping.result import SweepResult, open_sweep

MOST_CHARTS = 8


def sweep_report(root: Path, sweep: str) -> Report:
    """Return the report of a stored sweep.

    Args:
        root: The folder of all runs.
        sweep: The sweep's id.

    Raises:
        StoreError: If it cannot be read.
    """
    result = open_sweep(root, sweep)
    table = result.table
    done = int((table["state"] == "done").sum())
    sections = (
        Section("Measures", (Words((_axes(result.sweep),)), *_measures(result))),
        Section("Pictures", tuple(_pictures(root, result.sweep))),
        Section("Make it again", (Code(sweep_snippet(result.sweep), "In Python, with sdlab:"),)),
        Section("Table", (Table(table, "All runs", "One row a picture.", folded=False),)),
    )
    lead = f"Sweep {sweep}: {done:,} of {len(table):,} pictures are made. {_common(result.sweep)}"
    return Report(_title(result.sweep), lead, sections)


def grid_report(root: Path, grid: Grid) -> Report:
    """Return the report of a stored grid.

    Args:
        root: The folder of all runs.
        grid: The grid.
    """
    manifests = {}
    for experiment in grid.experiments:
        try:
            manifests[experiment.id] = read_manifest(run_path(root, experiment.id))
        except StoreError:
            continue
    table = grid_table(grid, manifests)
    sections = (
        Section("Pictures", (Words((_axes(grid),)), *_pictures(root, grid))),
        Section("Make it again", (Code(sweep_snippet(grid), "In Python, with sdlab:"),)),
        Section("Table", (Table(table, "All", "One row a picture.", meanings(GRID)),)),
    )
    lead = f"Grid {grid.id}: {len(manifests)} of {len(table)} pictures. {_common(grid)}"
    return Report(_title(grid), lead, sections)


def _title(sweep: Sweep) -> str:
    return sweep.base.prompt or "A sweep of prompts"


def _common(sweep: Sweep) -> str:
    return f"In common: {in_common(sweep)}"


def _axes(sweep: Sweep) -> str:
    """Return what varies, in words."""
    told = [f"{axis.field.replace('_', ' ')} ({len(axis.values)})" for axis in sweep.axes]
    return f"What varies: {', '.join(told) or 'nothing'}."


def _measures(result: SweepResult) -> Iterator[Part]:
    """Yield each measure's mean over the seeds, along the first axes, as charts and as a table."""
    axes = [axis.field for axis in result.sweep.axes if len(axis.values) > 1]
    axes = [name for name in axes if name != "seed"] or axes
    numbers = [name for name in axes if pd.api.types.is_numeric_dtype(result.table[name])]
    across = next(iter(numbers or axes), "")
    lines = next((name for name in axes if name != across), "")
    measures = [name for name in result.measures if result.table[name].notna().any()]
    if across:
        charts = [_chart(result, measure, across, lines) for measure in measures[:MOST_CHARTS]]
        yield Figures(tuple(charts), wide=True)
    for measure in measures:
        yield Table(result.cells(measure), f"{measure}: mean over seeds, with its 95 % interval")


def _chart(
    result: SweepResult, measure: str, across: str, lines: str
) -> tuple[alt.LayerChart, str]:
    over = [name for name in result.axes if name not in (across, lines)]
    cells = result.cells(measure, over).head(POINTS)
    _, drawn = across_and_lines(cells, across, lines)
    x, value = Column(across, _called(across)), Column(measure, UNITS.get(measure, measure))
    series = Column(lines, _called(lines)) if lines else None
    return cell_lines(drawn, x, value, series), f"{len(cells):,} cells.{averaged(over)}"


def _called(name: str) -> str:
    return name.replace("_", " ")


def _pictures(root: Path, sweep: Sweep) -> Iterator[Gallery]:
    found = []
    for cell in sweep.cells[:MOST_PICTURES]:
        try:
            png = read_picture(run_path(root, cell.experiment.id))
        except StoreError:
            continue
        found.append(Picture(png, " · ".join(cell.labels)))
    many = len(sweep.cells)
    seen = f"The first {MOST_PICTURES} of {many:,}." if many > MOST_PICTURES else ""
    if found:
        yield Gallery(tuple(found), seen, side=150)
