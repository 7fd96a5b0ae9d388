"""The curve on the workbench: what was typed, dragged or pasted, and its problems by step.

A draft always has its sigmas, valid or not (NaN where there is no number), so that the chart can
show each problem at its step. Only a valid draft can be run, saved and exported.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sdlab.noise import custom
from sdlab.noise.curves import CURVES, make
from sdlab.noise.curves.builtin import own
from sdlab.noise.exchange import NamedCurve
from sdlab.noise.formula import evaluate
from sdlab.noise.schedule import FlowTimes, NoiseSchedule

DRAW = "Draw"
WAYS = ("Formula", "Table", DRAW)
FORMULA = "sigma_max * (sigma_min / sigma_max) ** (u ** 0.8)"
EXAMPLES = {
    "Even in ln sigma": "sigma_max * (sigma_min / sigma_max) ** u",
    "Karras, rho 7": "(sigma_max**(1/7) + u * (sigma_min**(1/7) - sigma_max**(1/7))) ** 7",
    "Even in sigma": "sigma_max + u * (sigma_min - sigma_max)",
    "A cosine in ln sigma": "sigma_max * (sigma_min / sigma_max) ** ((1 - cos(pi * u)) / 2)",
    "Fast, then slow": "sigma_max * (sigma_min / sigma_max) ** (u ** 0.6)",
}


@dataclass(frozen=True)
class Draft:
    """A curve being made.

    Attributes:
        curve: "formula", "sigmas" or "points".
        options: Its options.
        num_steps: Its steps.
        sigmas: What there is of it, [num_steps + 1]; NaN where there is no number.
        problems: What is wrong, at its place.
    """

    curve: str
    options: dict[str, Any]
    num_steps: int
    sigmas: np.ndarray
    problems: list[custom.CurveProblem] = field(default_factory=list)

    @property
    def named(self) -> NamedCurve:
        """The curve as an experiment names it."""
        return NamedCurve(self.curve, self.options, self.num_steps)


def of_formula(text: str, num_steps: int, schedule: NoiseSchedule) -> Draft:
    """Return the draft of a formula.

    Raises:
        ValueError: If it is no formula at all.
    """
    plain = " ".join(text.split())
    sigmas, problems = evaluate(plain, num_steps, schedule.sigma_min, schedule.sigma_max)
    found = {problem.index: problem for problem in problems}
    for problem in custom.check(sigmas.tolist(), schedule, _at_u(num_steps)):
        found.setdefault(problem.index, problem)
    ordered = [found[index] for index in sorted(found)]
    return Draft("formula", {"formula": plain}, num_steps, sigmas, ordered)


def of_table(text: str, end_in_zero: bool, schedule: NoiseSchedule) -> Draft:
    """Return the draft of a table.

    Args:
        text: What was pasted.
        end_in_zero: Whether to append a 0 where the last number is another.
        schedule: Gives the range.

    Raises:
        ValueError: If it is no table of numbers; names the line and the value.
    """
    table = custom.parse_table(text)
    values, lines = [*table.sigmas], [*table.lines]
    if end_in_zero and values[-1] != 0:
        values, lines = [*values, 0.0], [*lines, lines[-1]]
    if len(values) < 2:
        raise ValueError("A table needs two sigmas or more, such as 14.6, 2.5, 0.")
    most = schedule.num_timesteps
    if len(values) - 1 > most:
        raise ValueError(
            f"The table has {len(values) - 1:,} steps; the model's schedule has {most:,} timesteps."
        )
    where = custom.Table(tuple(values), tuple(lines)).where
    problems = custom.check(values, schedule, where)
    options = {"sigmas": tuple(values)}
    return Draft("sigmas", options, len(values) - 1, np.array(values), problems)


def of_points(
    points: Sequence[tuple[float, float]], num_steps: int, schedule: NoiseSchedule
) -> Draft:
    """Return the draft of points.

    Raises:
        ValueError: If they do not run from u = 0 to u = 1, or a sigma is not above 0.
    """
    pairs = tuple((float(u), float(sigma)) for u, sigma in points)
    sigmas = own.points(num_steps, pairs)
    problems = custom.check(sigmas.tolist(), schedule, _at_u(num_steps))
    return Draft("points", {"points": pairs}, num_steps, sigmas, problems)


def points_text(points: Sequence[Sequence[float]]) -> str:
    """Return points as text, ``u sigma, u sigma``, for the URL and a text field."""
    return ", ".join(f"{u:.4g} {sigma:.4g}" for u, sigma in points)


def read_points(text: str) -> list[tuple[float, float]]:
    """Return the points of ``points_text``'s text.

    Raises:
        ValueError: If a part is no pair of numbers, or the points are not in order.
    """
    pairs = []
    for part in filter(None, (p.strip() for p in re.split(r"[,;\n]", text))):
        numbers = part.split()
        try:
            u, sigma = (float(number) for number in numbers)
        except ValueError:
            raise ValueError(f"a point is 'u sigma', such as 0.5 2.7; got {part!r:.60}.") from None
        pairs.append((u, sigma))
    return custom.read_points(pairs)


def first_formula(schedule: NoiseSchedule) -> str:
    """Return the formula to begin with; of flow matching even times, shifted as the model's are."""
    if not isinstance(schedule, FlowTimes):
        return FORMULA
    even, shift = "(1 - u * (n - 1) / n)", _shift(schedule)
    if f"{shift:.4g}" == "1":
        return even.strip("()")
    return f"{shift:.4g} * {even} / (1 + {shift - 1:.4g} * {even})"


def first_points(schedule: NoiseSchedule) -> list[tuple[float, float]]:
    """Return points to begin with: those of the first formula, a gentle bend."""
    levels = evaluate(first_formula(schedule), 21, schedule.sigma_min, schedule.sigma_max)[0]
    return [(place / 20, float(levels[place])) for place in (0, 6, 14, 20)]


def _shift(schedule: FlowTimes) -> float:
    """Return the shift of flow matching's times, from where it moves the middle one."""
    count = schedule.num_timesteps
    even = (count // 2) / count
    time = float(schedule.sigma[count // 2 - 1])
    return time * (1 - even) / (even * (1 - time))


def as_settings(named: NamedCurve, schedule: NoiseSchedule) -> dict[str, Any]:
    """Return what the controls must hold to show a curve; one of the catalogue comes as a table.

    Returns:
        ``way``, ``steps`` and one of ``formula``, ``table``, ``points``.

    Raises:
        ValueError: If the curve is not valid.
    """
    settings: dict[str, Any] = {"steps": min(named.num_steps, schedule.num_timesteps)}
    if named.curve == "formula" and set(named.options) == {"formula"}:
        return settings | {"way": "Formula", "formula": str(named.options["formula"])}
    if named.curve == "points":
        text = points_text(custom.read_points(named.options.get("points", ())))
        return settings | {"way": DRAW, "points": text}
    sigmas = make(named.curve, schedule, named.num_steps, named.options)
    return settings | {"way": "Table", "table": table_text(sigmas)}


def table_text(sigmas: Iterable[float]) -> str:
    """Return sigmas one a line."""
    return "\n".join(f"{float(sigma):.6g}" for sigma in sigmas)


def baseline(
    curve: str, options: dict[str, Any], num_steps: int, schedule: NoiseSchedule
) -> np.ndarray:
    """Return the sigmas of the curve to compare with, [num_steps + 1].

    Raises:
        ValueError: If it has none for so many steps.
    """
    return make(curve if curve in CURVES else None, schedule, num_steps, options)


def _at_u(num_steps: int) -> Any:
    ramp = np.linspace(0.0, 1.0, num_steps)
    return lambda i: f"step {i} (u = {ramp[i]:.4g})" if i < num_steps else "the end"
