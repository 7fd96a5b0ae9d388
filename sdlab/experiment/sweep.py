"""A sweep: one experiment, varied along any number of its fields.

Every combination of the axes' values is an experiment of its own, with a run of its own: a sweep
says which runs belong together, and the experiments' ids which of them are there already.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from sdlab.errors import shown
from sdlab.experiment.axis import WORDS, Axis, label
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.spec import Spec

ORDER = {"solver": 0, WORDS: 2}
"""A solver's name may bring a curve, so it comes before that; words are replaced in the prompt."""


class SweepCell(NamedTuple):
    """One picture of a sweep.

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
class Sweep(Spec):
    """An experiment varied along axes, at most 100,000 pictures.

    Attributes:
        base: What all have in common.
        axes: What varies: ``{"cfg": "2, 4, 8", "seed": "1-4"}``, or a list of ``Axis`` or of
            (field, values). The first varies fastest.

    Raises:
        ValueError: If an axis is not valid or comes twice, there are too many pictures, or the
            experiment refuses a value.
    """

    CALLED: ClassVar[str] = "field of a sweep"
    NAME: ClassVar[str] = "sweep"
    MOST_CELLS: ClassVar[int] = 100_000

    base: Experiment
    axes: tuple[Axis, ...] | Any = ()

    def __post_init__(self) -> None:
        if isinstance(self.axes, Experiment):
            name = type(self).__name__
            raise TypeError(f"axes of {name}() is an Experiment; call it as {name}(base, axes).")
        if isinstance(self.base, Mapping):
            self._set("base", Experiment.from_dict(self.base))
        if not isinstance(self.base, Experiment):
            raise ValueError(f"base must be an Experiment, got {shown(self.base)}.")
        pairs = self.axes.items() if isinstance(self.axes, Mapping) else self.axes
        self._set("axes", tuple(map(_axis, pairs)))
        self._check_axes()
        assert self.cells  # the experiments check their fields

    @cached_property
    def cells(self) -> tuple[SweepCell, ...]:
        """The pictures, the first axis varying fastest."""
        places = itertools.product(*(range(len(axis.values)) for axis in reversed(self.axes)))
        return tuple(self._cell(tuple(reversed(place))) for place in places)

    @property
    def experiments(self) -> list[Experiment]:
        """What makes the pictures, each once."""
        return list({cell.experiment.id: cell.experiment for cell in self.cells}.values())

    def _check_axes(self) -> None:
        names = [axis.field for axis in self.axes]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is an axis twice; give all its values to one.")
        sides = [len(axis.values) for axis in self.axes]
        if (count := math.prod(sides)) > self.MOST_CELLS:
            product = " x ".join(map(str, sides)) + (f" = {count:,}" if len(sides) > 1 else "")
            raise ValueError(
                f"a {self.NAME} has at most {self.MOST_CELLS:,} pictures, got {product}; leave out"
                f" values of {' or '.join(names)}."
            )

    def _cell(self, place: tuple[int, ...]) -> SweepCell:
        chosen = [(axis, axis.values[at]) for axis, at in zip(self.axes, place, strict=True)]
        experiment = self.base
        for axis, value in sorted(chosen, key=lambda pair: ORDER.get(pair[0].field, 1)):
            experiment = axis.applied(experiment, value)
        labels = tuple(label(axis.field, value) for axis, value in chosen)
        return SweepCell(place, tuple(value for _, value in chosen), labels, experiment)


def _axis(value: Any) -> Axis:
    if isinstance(value, Axis):
        return value
    if isinstance(value, Mapping):
        return Axis.from_dict(value)
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"an axis is a field and its values, got {shown(value)}.")
    return Axis(*value)
