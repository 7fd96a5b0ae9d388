"""A grid of experiments: one, varied along up to three of its fields.

The first axis goes along the columns, the second along the rows, and the third along whole tables
of both. All pictures of a grid are experiments of their own, each with its run.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from sdlab.errors import shown
from sdlab.experiment.axis import WORDS, Axis
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.spec import Spec

MOST_CELLS = 64
MOST_AXES = 3
ORDER = {"solver": 0, WORDS: 2}
"""A solver's name may bring a curve, so it comes before that; words are replaced in the prompt."""


class GridCell(NamedTuple):
    """One picture of a grid.

    Attributes:
        place: The number of its value on each axis, from 0.
        values: Its value on each axis.
        labels: Those in words.
        experiment: What makes it.
    """

    place: tuple[int, ...]
    values: tuple[Any, ...]
    labels: tuple[str, ...]
    experiment: Experiment


@dataclass(frozen=True)
class Grid(Spec):
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

    base: Experiment
    axes: tuple[Axis, ...] | Any

    def __post_init__(self) -> None:
        if isinstance(self.axes, Experiment):
            raise TypeError("axes of Grid() is an Experiment; call it as Grid(base, axes).")
        if isinstance(self.base, Mapping):
            self._set("base", Experiment.from_dict(self.base))
        if not isinstance(self.base, Experiment):
            raise ValueError(f"base must be an Experiment, got {shown(self.base)}.")
        pairs = self.axes.items() if isinstance(self.axes, Mapping) else self.axes
        self._set("axes", tuple(map(_axis, pairs)))
        if not 1 <= len(self.axes) <= MOST_AXES:
            raise ValueError(f"a grid has 1 to {MOST_AXES} axes, got {len(self.axes)}.")
        names = [axis.field for axis in self.axes]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is an axis twice; give all its values to one.")
        sides = [len(axis.values) for axis in self.axes]
        if (count := math.prod(sides)) > MOST_CELLS:
            raise ValueError(
                f"a grid has at most {MOST_CELLS} pictures, got {' x '.join(map(str, sides))} ="
                f" {count}; leave out values of {' or '.join(names)}."
            )
        assert self.cells  # the experiments check their fields

    @cached_property
    def cells(self) -> tuple[GridCell, ...]:
        """The pictures row by row, one table after the other."""
        places = itertools.product(*(range(len(axis.values)) for axis in reversed(self.axes)))
        return tuple(self._cell(tuple(reversed(place))) for place in places)

    @property
    def experiments(self) -> list[Experiment]:
        """What makes the pictures, each once."""
        return list({cell.experiment.id: cell.experiment for cell in self.cells}.values())

    @property
    def sides(self) -> tuple[int, int, int]:
        """How many columns, rows and tables there are."""
        counts = [len(axis.values) for axis in self.axes]
        columns, rows, tables = counts + [1] * (MOST_AXES - len(counts))
        return columns, rows, tables

    def _cell(self, place: tuple[int, ...]) -> GridCell:
        chosen = [(axis, axis.values[at]) for axis, at in zip(self.axes, place, strict=True)]
        experiment = self.base
        for axis, value in sorted(chosen, key=lambda pair: ORDER.get(pair[0].field, 1)):
            experiment = axis.applied(experiment, value)
        labels = tuple(axis.labels[at] for axis, at in zip(self.axes, place, strict=True))
        return GridCell(place, tuple(value for _, value in chosen), labels, experiment)


def _axis(value: Any) -> Axis:
    if isinstance(value, Axis):
        return value
    if isinstance(value, Mapping):
        return Axis.from_dict(value)
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"an axis is a field and its values, got {shown(value)}.")
    return Axis(*value)
