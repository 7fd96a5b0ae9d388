"""The order of convergence that a table of errors shows, with its interval.

A method of order p has an error of C N^-p, a straight line of slope -p in a log-log plot, but only
between two limits. With few steps higher powers still count; with many the error reaches a floor:
the last jump to sigma 0, chance in a weak error, or the precision of the arithmetic. So the line
is fitted by least squares to

1. the points above ``ABOVE_FLOOR`` times the known floor, where it bends the line by under a tenth,
   and below ``BELOW`` (a larger error shows nothing about small steps);
2. of these the finest three, and coarser ones as long as the slope between neighbours stays within
   ``BEND`` of the line fitted so far.

The interval is Student's, at 95 %, from the scatter about the line. Few points or a bent line make
it wide: where it is wider than ``HALF_WIDTH`` on either side no order is claimed.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from sdlab.bench.measure import errors
from sdlab.bench.ready_solver import DOUBLE, SINGLE
from sdlab.noise.schedule import Array
from sdlab.solvers.registry import solvers

if TYPE_CHECKING:
    from sdlab.bench.data import Problem

ORDER_STEPS = (16, 32, 64, 128, 256, 512)
ABOVE_FLOOR = 10.0
ABOVE_CHANCE = 3.0
BELOW = 0.5
BEND = 0.25
HALF_WIDTH = 0.5
# Student's t, two-sided 95 %, for 1 to 10 degrees of freedom.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


class Order(NamedTuple):
    """A fitted order of convergence.

    Attributes:
        order: The slope, or NaN if it cannot be determined; ``note`` says why.
        low: Lower end of its 95 % interval.
        high: Upper end.
        first: Fewest steps of the points fitted.
        last: Most steps of the points fitted.
        points: How many were fitted.
        note: Why no order can be determined, or "".
    """

    order: float
    low: float
    high: float
    first: int
    last: int
    points: int
    note: str


def order(
    name: str,
    *,
    curve: str | None = "karras",
    curve_options: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    problem: "str | Problem" = "gaussian",
    steps: Sequence[int] = ORDER_STEPS,
    end: str = "sigma_min",
    path: str = "vp",
    seed: int = 0,
) -> Order:
    """Return the order that a solver reaches; by default without the last jump to 0.

    Args:
        name: A solver's short name or a diffusers class.
        curve: How sigma falls. With "leading" and "trailing" the ends change with the step count,
            so the slope is not due to the solver alone.
        curve_options: Arguments of the curve; for own solvers only.
        options: Arguments of the solver or scheduler.
        problem: A name of ``problems()``, or a problem of your own.
        steps: Step counts.
        end: "sigma_min", or "zero" to keep the last jump.
        path: "vp", or "flow" for flow matching's.
        seed: Of the particles and of the noise.

    Raises:
        ValueError: If a name, an option, the curve or a step count is not valid.
    """
    table = errors(
        name,
        problem=problem,
        steps=steps,
        curve=curve,
        curve_options=curve_options,
        options={name: options or {}},
        end=end,
        path=path,
        seed=seed,
    )
    return fit(table)


def orders(table: pd.DataFrame) -> pd.DataFrame:
    """Return the fitted order of every solver in a table of ``errors``.

    Returns:
        One row a solver, curve and problem: these, ``declared`` order, ``measure``, the fields of
        ``Order`` (``note`` last) and ``floor`` and ``error`` at the most steps.
    """
    rows = []
    for keys, group in table.groupby(["solver", "curve", "problem"], sort=False):
        finest = group.sort_values("num_steps").iloc[-1]
        declared = solvers()[keys[0]].order if keys[0] in solvers() else None
        fitted = fit(group)._asdict()
        note = fitted.pop("note")
        rows.append(
            dict(zip(("solver", "curve", "problem"), keys, strict=True))
            | {"declared": declared, "measure": finest["measure"]}
            | fitted
            | {"error": finest["error"], "floor": finest["floor"], "note": note}
        )
    columns = ["solver", "curve", "problem", "declared", "measure"]
    columns += [*Order._fields[:-1], "error", "floor", "note"]
    return pd.DataFrame(rows, columns=columns).astype({"declared": "Int64"})


def sentence(fitted: "Order | Any") -> str:
    """Return a fit as a sentence; takes an ``Order`` or a row of ``orders``."""
    if not math.isfinite(fitted.order):
        return f"no order ({fitted.note})"
    return (
        f"order {fitted.order:.2f} (95 %: {fitted.low:.2f} to {fitted.high:.2f}), from"
        f" {fitted.points} step counts, {fitted.first} to {fitted.last}"
    )


def fit(table: pd.DataFrame, precision: float | None = None) -> Order:
    """Return the order fitted to the rows of one solver.

    Args:
        table: Rows of ``errors`` for one solver, curve and problem.
        precision: Relative error of its arithmetic; by its name if not given.
    """
    rows = table.dropna(subset=["error"]).sort_values("num_steps")
    counts = rows["num_steps"].to_numpy(float)
    sizes = rows["error"].to_numpy(float)
    if not len(rows):
        return _none("no step count was taken")
    least = np.fmax(
        ABOVE_FLOOR * rows["floor"].to_numpy(float), ABOVE_CHANCE * rows["chance"].to_numpy(float)
    )
    if precision is None:
        precision = DOUBLE if rows["solver"].iloc[0] in solvers() else SINGLE
    usable = (sizes > np.fmax(least, ABOVE_FLOOR * precision)) & (sizes < BELOW)
    counts, sizes = counts[usable], sizes[usable]
    if len(counts) < 3:
        return _none(f"fewer than 3 points between the floor and {BELOW:g}")
    found = line(counts, sizes)
    if found.high - found.low > 2 * HALF_WIDTH:
        x, y = np.log(counts[-found.points :]), np.log(sizes[-found.points :])
        slopes = -np.diff(y) / np.diff(x)
        note = f"no straight line: the slope runs from {slopes.min():.1f} to {slopes.max():.1f}"
        return found._replace(order=math.nan, note=note)
    return found


def line(counts: Array, sizes: Array) -> Order:
    """Return the order fitted to the finest of the errors that are on a straight line.

    Args:
        counts: Steps or evaluations, ascending, three or more.
        sizes: The error at each, above 0.
    """
    x, y = np.log(counts), np.log(sizes)
    begin = len(x) - 3
    while begin > 0:
        steeper = -(y[begin] - y[begin - 1]) / (x[begin] - x[begin - 1])
        if abs(steeper - _line(x[begin:], y[begin:])[0]) > BEND:
            break
        begin -= 1
    slope, half = _line(x[begin:], y[begin:])
    where = (int(counts[begin]), int(counts[-1]), len(x) - begin)
    return Order(slope, slope - half, slope + half, *where, "")


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Return minus the slope of the least-squares line, and the half width of its interval."""
    apart = x - x.mean()
    slope = float(apart @ y / (apart @ apart))
    left = y - y.mean() - slope * apart
    freedom = len(x) - 2
    student = _STUDENT[min(freedom, len(_STUDENT)) - 1]
    return -slope, student * math.sqrt(float(left @ left) / freedom / float(apart @ apart))


def _none(note: str) -> Order:
    return Order(math.nan, math.nan, math.nan, 0, 0, 0, note)
