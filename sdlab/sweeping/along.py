r"""What changes along each axis of a grid: how far pictures are apart that differ in it alone.

    RMS(a, b) = \sqrt{ mean_i (a_i - b_i)^2 }

over the pixels of two pictures, 0 to 255.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sdlab.embedded.claims import parse
from sdlab.experiment.axis import Axis
from sdlab.experiment.grid import Grid
from sdlab.shipped import SHIPPED

if TYPE_CHECKING:
    from PIL import Image

MOST_IN_PAIRS = 12
"""Values without an order of which each is held against every other; of more, neighbours are."""


def along(grid: Grid, pictures: "Mapping[str, Image.Image]") -> pd.DataFrame:
    """Return how far the pictures of two values of an axis are apart, all other axes being equal.

    Numbers are compared with their neighbours, what has no order each with every other.

    Args:
        grid: The grid.
        pictures: Its pictures by run id; may lack some.

    Returns:
        Columns ``axis`` (its field), ``one`` and ``other`` (the values' labels), ``rms``, 0 to 255,
        the mean over ``pairs`` pairs of pictures of one size; pairs of values without any are left
        out.
    """
    pixels = {run: np.asarray(picture.convert("RGB")) for run, picture in pictures.items()}
    rows = []
    for number, axis in enumerate(grid.axes):
        lines = _lines(grid, number)
        for one, other in _pairs(axis):
            both = [line for line in lines if {line[one], line[other]} <= pixels.keys()]
            pairs = [(pixels[line[one]], pixels[line[other]]) for line in both]
            apart = [_rms(a, b) for a, b in pairs if a.shape == b.shape]
            if apart:
                labels = axis.labels[one], axis.labels[other]
                rows.append((axis.field, *labels, float(np.mean(apart)), len(apart)))
    return pd.DataFrame(rows, columns=["axis", "one", "other", "rms", "pairs"])


def is_ordered(axis: Axis) -> bool:
    """Return whether an axis' values are numbers that mean more and less; seeds do not."""
    kinds = {type(value) for value in axis.values}
    return axis.field != "seed" and kinds <= {int, float}


def fulfilled(grid: Grid, pictures: "Mapping[str, Image.Image]") -> pd.DataFrame:
    """Return what share of their prompts' statements the pictures of each value fulfil.

    Args:
        grid: The grid.
        pictures: Its pictures by run id; may lack some.

    Returns:
        Columns ``axis``, ``value`` (its label) and ``fidelity``, 0 to 1; no rows where the world's
        checker knows nothing of the model or the prompts.
    """
    scores = _scores(grid, pictures) if grid.base.model in SHIPPED else {}
    cells = [cell for cell in grid.cells if cell.experiment.id in scores]
    rows = [
        (axis.field, cell.labels[number], scores[cell.experiment.id])
        for number, axis in enumerate(grid.axes)
        for cell in cells
    ]
    table = pd.DataFrame(rows, columns=["axis", "value", "fidelity"])
    return table.groupby(["axis", "value"], sort=False, as_index=False).mean()


def _scores(grid: Grid, pictures: "Mapping[str, Image.Image]") -> dict[str, float]:
    """Return by run id the share of its prompt's statements that its picture fulfils."""
    from sdlab.embedded.checker import judge, shipped

    made = [experiment for experiment in grid.experiments if experiment.id in pictures]
    claims = [parse(experiment.prompt, shipped().objects) for experiment in made]
    shown = shipped().look([pictures[one.id] for one in made]) if made else []
    verdicts = [judge(seen, said) for seen, said in zip(shown, claims, strict=True)]
    return {
        one.id: sum(verdict.values()) / len(verdict)
        for one, verdict in zip(made, verdicts, strict=True)
        if verdict
    }


def _lines(grid: Grid, number: int) -> list[list[str]]:
    """Return the run ids along an axis, a list for each place on the other axes."""
    lines: dict[tuple[int, ...], list[str]] = {}
    for cell in grid.cells:
        rest = cell.place[:number] + cell.place[number + 1 :]
        lines.setdefault(rest, []).append(cell.experiment.id)
    return list(lines.values())


def _pairs(axis: Axis) -> Iterator[tuple[int, int]]:
    """Yield which values of an axis are compared."""
    if not is_ordered(axis) and len(axis.values) <= MOST_IN_PAIRS:
        yield from itertools.combinations(range(len(axis.values)), 2)
        return
    order = list(range(len(axis.values)))
    if is_ordered(axis):
        order.sort(key=axis.values.__getitem__)
    yield from itertools.pairwise(order)


def _rms(one: np.ndarray, other: np.ndarray) -> float:
    """Return the RMS of two pictures' difference, uint8 of one shape."""
    return float(np.sqrt(np.square(one.astype(np.float32) - other).mean()))
