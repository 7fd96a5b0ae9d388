"""Checks a user's own curve, and reads one from text: a table of sigmas, or points.

A curve is valid if it is finite, strictly descending, ends in 0 and stays within the noise levels
that the model was trained on. ``check`` lists what is wrong and at which step; ``make`` of
``sdlab.noise.curves`` raises the first of these problems.
"""

import csv
import json
import math
import re
from collections.abc import Callable, Sequence
from numbers import Real
from typing import NamedTuple

import numpy as np

from sdlab.noise.formula import CurveProblem
from sdlab.noise.schedule import Array, FlowTimes, NoiseSchedule

__all__ = ["CurveProblem", "Table", "check", "numbers", "parse_table", "read_points"]

# Published tables are rounded to two or three digits: Align Your Steps ends at 0.029, Stable
# Diffusion at 0.02917.
RANGE_TOLERANCE = 0.01
MAX_SIGMAS = 10_001
MAX_BYTES = 500_000
MAX_POINTS = 100


class Table(NamedTuple):
    """The numbers of a table as they were read.

    Attributes:
        sigmas: Every number, in order.
        lines: The line of the text that each number is in, from 1.
    """

    sigmas: tuple[float, ...]
    lines: tuple[int, ...]

    def where(self, index: int) -> str:
        """Return the place of a number in words, for a message."""
        return f"line {self.lines[index]}" if len(set(self.lines)) > 1 else f"number {index + 1}"


def check(
    sigmas: Sequence[float],
    schedule: NoiseSchedule | None = None,
    where: Callable[[int], str] | None = None,
) -> list[CurveProblem]:
    """Return what is wrong with a curve, at most one problem a step; empty if it is valid.

    Args:
        sigmas: The curve, its last 0 included.
        schedule: Gives the range of the model's noise levels; None leaves the range open.
        where: Names a step in words; by default "step 3 of 10".

    Returns:
        Problems in the order of the curve.
    """
    last = len(sigmas) - 1
    place = where or (lambda index: f"step {index} of {last}" if index < last else "the end")
    if last < 1:
        return [CurveProblem(0, math.nan, f"A curve needs 2 sigmas or more, got {last + 1}.")]
    found = []
    previous = math.inf
    for index, value in enumerate(sigmas):
        sentence = _wrong(float(value), previous, index == last, schedule)
        if sentence:
            found.append(CurveProblem(index, float(value), f"At {place(index)}: {sentence}"))
        if math.isfinite(value):
            previous = float(value)
    return found


def read_points(points: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """Return points as (u, sigma) pairs of floats.

    Raises:
        ValueError: Naming the point that is wrong.
    """
    if isinstance(points, str) or not isinstance(points, (Sequence, np.ndarray)):
        raise ValueError(f"points must be a list of [u, sigma] pairs, got {points!r}.")
    if not 2 <= len(points) <= MAX_POINTS:
        raise ValueError(f"points must be 2 to {MAX_POINTS} [u, sigma] pairs, got {len(points)}.")
    found: list[tuple[float, float]] = []
    for index, pair in enumerate(points):
        if isinstance(pair, str) or not isinstance(pair, (Sequence, np.ndarray)) or len(pair) != 2:
            raise ValueError(f"point {index + 1} must be a [u, sigma] pair, got {pair!r}.")
        u, level = numbers(f"point {index + 1}", pair).tolist()
        if not (0 <= u <= 1 and 0 < level < math.inf):
            raise ValueError(
                f"point {index + 1} must have u from 0 to 1 and a finite sigma above 0, got u"
                f" {u:g} and sigma {level:g}."
            )
        if found and u <= found[-1][0]:
            raise ValueError(
                f"point {index + 1} must lie right of the one before: u {u:g} after"
                f" {found[-1][0]:g}."
            )
        found.append((u, level))
    if found[0][0] != 0 or found[-1][0] != 1:
        raise ValueError(
            f"points must begin at u = 0 and end at u = 1, got {found[0][0]:g} and"
            f" {found[-1][0]:g}."
        )
    return found


def parse_table(text: str | bytes) -> Table:
    """Return the sigmas of a text: one a line, CSV, or separated by commas, semicolons or spaces.

    A JSON list is read too, and of a CSV with a header the column "sigma". Whether the numbers
    make a valid curve is checked by ``check``.

    Args:
        text: Pasted text, or an uploaded file's bytes.

    Raises:
        ValueError: If there are no numbers, too many, or one that is not finite; names
            the line and the value.
    """
    plain = _decoded(text)
    if plain.lstrip().startswith("["):
        return _from_json(plain)
    rows = [(n, row.strip()) for n, row in enumerate(plain.splitlines(), 1) if row.strip()]
    if not rows:
        raise ValueError("The table is empty; paste sigmas such as 14.6, 6.5, 2.7, 0.4, 0.")
    cells = _column(rows) if re.search(r"\bsigma\b", rows[0][1], re.IGNORECASE) else _cells(rows)
    if len(cells) > MAX_SIGMAS:
        raise ValueError(f"The table has {len(cells):,} numbers; at most {MAX_SIGMAS:,} are read.")
    values = tuple(_number(cell, line) for line, cell in cells)
    return Table(values, tuple(line for line, _ in cells))


def _decoded(text: str | bytes) -> str:
    if len(text) > MAX_BYTES:
        raise ValueError(f"The table has {len(text):,} bytes; at most {MAX_BYTES:,} are read.")
    if isinstance(text, str):
        return text.lstrip("\ufeff")
    try:
        return text.decode("utf-16" if text[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"The file is not text: byte {error.start} is {text[error.start]:#04x}. Save it as CSV"
            " or plain text in UTF-8."
        ) from None


def _from_json(plain: str) -> Table:
    try:
        values = json.loads(plain)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The table begins as a JSON list but is none: {error}.") from None
    if len(values) > MAX_SIGMAS:
        raise ValueError(f"The list has {len(values):,} items; at most {MAX_SIGMAS:,} are read.")
    for index, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"Item {index + 1} of the list must be a number, got {value!r:.60}.")
    sigmas = tuple(_number(str(value), 1) for value in values)
    return Table(sigmas, (1,) * len(sigmas))


def _column(rows: list[tuple[int, str]]) -> list[tuple[int, str]]:
    separator = next((mark for mark in (";", "\t", ",") if mark in rows[0][1]), ",")
    table = list(csv.reader((row for _, row in rows), delimiter=separator))
    header = [cell.strip().lower() for cell in table[0]]
    if "sigma" not in header:
        raise ValueError(f"Line {rows[0][0]} names no column 'sigma': {rows[0][1]!r:.60}.")
    at = header.index("sigma")
    out = []
    for (line, row), cells in zip(rows[1:], table[1:], strict=False):
        if at >= len(cells):
            raise ValueError(f"Line {line} has no value in the column 'sigma': {row!r:.60}.")
        out.append((line, cells[at].strip()))
    if not out:
        raise ValueError("The table has a header and no sigmas below it.")
    return out


def _cells(rows: list[tuple[int, str]]) -> list[tuple[int, str]]:
    cells = []
    for line, row in rows:
        if ";" in row and re.search(r"\d,\d", row):
            raise ValueError(
                f"Line {line} has semicolons and commas ({row!r:.60}): is the comma a decimal"
                " point? Write 14.6; 6.5 or 14.6, 6.5."
            )
        cells += [(line, cell) for cell in re.split(r"[,;\s]+", row) if cell]
    if len(cells) > 2:  # 14,6 alone is two sigmas; among others it may be 14.6
        for line, row in rows:
            for word in row.split():
                if re.fullmatch(r"\d+,\d+", word):
                    raise ValueError(
                        f"Line {line} has {word!r:.60}: is the comma a decimal point? Write"
                        f" {word.replace(',', '.')} or {word.replace(',', ', ')}."
                    )
    return cells


def _number(cell: str, line: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(f"Line {line} has {cell!r:.60}, which is no number.") from None
    if not math.isfinite(value):
        raise ValueError(f"Line {line} has {cell!r:.60}; a sigma must be finite.")
    return value


def numbers(what: str, values: Sequence[float]) -> Array:
    """Return a list of numbers, float64 [N].

    Args:
        what: The list's name, for an error.
        values: The numbers.

    Raises:
        ValueError: If it is no list, or holds something else than numbers.
    """
    if isinstance(values, str) or not isinstance(values, (Sequence, np.ndarray)):
        raise ValueError(f"{what} must be a list of numbers, got {values!r:.60}.")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ValueError(f"{what} must hold numbers only, it has {value!r:.60}.")
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        raise ValueError(f"{what} has a number beyond 1e308.") from None


def _wrong(value: float, previous: float, last: bool, schedule: NoiseSchedule | None) -> str:
    if math.isnan(value):
        return "there is no number."
    if math.isinf(value):
        return "sigma is infinite; start at the model's largest."
    if value < 0:
        return f"sigma is negative, {value:g}."
    if last:
        words = f"the curve ends at sigma {value:g}; append a 0, or noise is left in the picture."
        return words if value else ""
    if value == 0:
        return "sigma is 0 before the end; only the last may be 0."
    if value == previous:
        return f"sigma {value:g} stands twice; each must be below the one before."
    if value > previous:
        return f"sigma rises from {previous:g} to {value:g}; each must be below the one before."
    return _outside(value, schedule) if schedule is not None else ""


def _outside(value: float, schedule: NoiseSchedule) -> str:
    if isinstance(schedule, FlowTimes):
        return f"t {value:.6g} is above 1, pure noise." if value > 1 else ""
    if value > schedule.sigma_max * (1 + RANGE_TOLERANCE):
        return (
            f"sigma {value:.6g} is above the model's largest noise level,"
            f" {schedule.sigma_max:.6g}; the network never saw more."
        )
    if value < schedule.sigma_min * (1 - RANGE_TOLERANCE):
        return (
            f"sigma {value:.6g} is below the model's smallest noise level,"
            f" {schedule.sigma_min:.6g}; the network never saw less. Go to 0 from there."
        )
    return ""
