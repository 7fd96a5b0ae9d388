"""A grid: a sweep that fits on a sheet, along up to three axes.

The first axis goes along the columns, the second along the rows, and the third along whole tables
of both.
"""

from dataclasses import dataclass
from typing import ClassVar

from sdlab.experiment.sweep import Sweep

MOST_AXES = 3


@dataclass(frozen=True)
class Grid(Sweep):
    """An experiment varied along one to three axes, at most 64 pictures.

    Attributes:
        base: What all have in common.
        axes: Columns, rows, and tables of both: ``{"cfg": "2, 4, 8", "seed": "1-4"}``, or a list
            of ``Axis`` or of (field, values).

    Raises:
        ValueError: If an axis is not valid or comes twice, there are more than three axes or more
            than 64 pictures, or the experiment refuses a value.
    """

    CALLED: ClassVar[str] = "field of a grid"
    NAME: ClassVar[str] = "grid"
    MOST_CELLS: ClassVar[int] = 64

    @property
    def sides(self) -> tuple[int, int, int]:
        """How many columns, rows and tables there are."""
        counts = [len(axis.values) for axis in self.axes]
        columns, rows, tables = counts + [1] * (MOST_AXES - len(counts))
        return columns, rows, tables

    def _check_axes(self) -> None:
        if not 1 <= len(self.axes) <= MOST_AXES:
            raise ValueError(f"a grid has 1 to {MOST_AXES} axes, got {len(self.axes)}.")
        super()._check_axes()
