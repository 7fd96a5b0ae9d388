"""The statistics of a model that DPM-Solver-v3 is made of, as numbers by noise level.

``l`` says how strongly eps_pred follows x, ``s`` and ``b`` how what is left moves with lambda =
-ln sigma (Zheng et al. 2023, arXiv 2310.13268, section 3.2). ``sdlab.fitting.statistics`` measures
them. Between the levels they are cubic Hermite polynomials in lambda.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
KIND, FORMAT = "sdlab.model_statistics", 1
LEAST_LEVELS = 4
SLACK = 1e-4
"""By so much of lambda a curve may reach beyond the levels: schedules round their ends."""


@dataclass(frozen=True, eq=False)
class ModelStatistics:
    """Statistics of a model, and what they were measured on.

    Attributes:
        sigmas: Noise levels, descending, above 0, float64 [K].
        l: Mean of sigma d eps_pred / d x, float64 [K, C]: 0 ... 1 of an exact denoiser.
        s: How much of itself the rest gains in a unit of lambda, [K, C].
        b: What it gains beside that, [K, C].
        of: Of which model, prompt, guidance, seeds, in words.

    Raises:
        ValueError: If the shapes do not match, levels do not fall or a number is not finite.
    """

    sigmas: Array
    l: Array  # noqa: E741  # the paper's letter
    s: Array
    b: Array
    of: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.sigmas)
        if count < LEAST_LEVELS or not (np.diff(self.sigmas) < 0).all() or self.sigmas[-1] <= 0:
            raise ValueError(
                f"sigmas of statistics must be at least {LEAST_LEVELS}, fall and stay above 0."
            )
        for name in ("l", "s", "b"):
            values = getattr(self, name)
            if values.ndim != 2 or len(values) != count or values.shape != self.l.shape:
                raise ValueError(
                    f"{name} of statistics must be {count} levels by channels, as l, got shape"
                    f" {values.shape}."
                )
            if not np.isfinite(values).all():
                raise ValueError(f"{name} of statistics must be finite.")

    def check_range(self, sigmas: tuple[float, ...]) -> None:
        """Raise ``ValueError`` if a level that is above 0 lies outside of what was measured."""
        above = [sigma for sigma in sigmas if sigma > 0]
        first, last = float(self.sigmas[0]), float(self.sigmas[-1])
        if max(above) > first * (1 + SLACK) or min(above) < last * (1 - SLACK):
            raise ValueError(
                f"the statistics of dpm_solver_v3 are known from sigma {first:g} to {last:g}, but"
                f" the curve goes from {max(above):g} to {min(above):g}; choose a curve within"
                " them, or measure anew by sdlab statistics."
            )

    def for_channels(self, channels: int) -> "ModelStatistics":
        """Return them for data of so many channels; if it has others, their mean over all."""
        if channels == self.l.shape[1]:
            return self
        l, s, b = (each.mean(1, keepdims=True) for each in (self.l, self.s, self.b))  # noqa: E741
        return ModelStatistics(self.sigmas, l, s, b, self.of)

    def at(self, places: Array) -> tuple[Array, Array, Array]:
        """Return l, s and b, each [P, C], at values of lambda [P]."""
        knots = -np.log(self.sigmas)
        l, s, b = (_hermite(knots, each, places) for each in (self.l, self.s, self.b))  # noqa: E741
        return l, s, b

    def to_json(self) -> str:
        """Return them as JSON."""
        lists = {name: getattr(self, name).tolist() for name in ("sigmas", "l", "s", "b")}
        return json.dumps({"kind": KIND, "format": FORMAT, "of": self.of, **lists}) + "\n"

    @classmethod
    def read(cls, path: "Path | str") -> "ModelStatistics":
        """Return the statistics of a file.

        Raises:
            ValueError: If there is no such file, or it holds no statistics.
        """
        how = "sdlab statistics makes such a file."
        try:
            held = json.loads(Path(path).read_text())
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} cannot be read as statistics: {error}. {how}") from error
        if not isinstance(held, dict) or (held.get("kind"), held.get("format")) != (KIND, FORMAT):
            raise ValueError(f"{path} holds no statistics of format {FORMAT}. {how}")
        try:
            sigmas, l, s, b = (  # noqa: E741
                np.array(held[name], dtype=np.float64) for name in ("sigmas", "l", "s", "b")
            )
            return cls(sigmas, l, s, b, held.get("of", {}))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} holds no whole statistics: {error}. {how}") from error


def _hermite(knots: Array, values: Array, places: Array) -> Array:
    """Return cubics through ``values`` [K, C] with the slopes of their differences, [P, C]."""
    slopes = np.gradient(values, knots, axis=0, edge_order=2)
    places = np.clip(places, knots[0], knots[-1])
    left = np.clip(np.searchsorted(knots, places, side="right") - 1, 0, len(knots) - 2)
    width = (knots[left + 1] - knots[left])[:, None]
    u = (places - knots[left])[:, None] / width
    start, end = values[left], values[left + 1]
    rise = end - start
    bend = width * slopes[left] - rise
    back = rise - width * slopes[left + 1]
    result: Array = start + u * rise + u * (1 - u) * ((1 - u) * bend + u * back)
    return result


@dataclass(frozen=True, eq=False)
class Stretch:
    """The integrals of statistics from one lambda to another; the second may be the smaller.

    With L and S the integrals of l and s from its start, all float64 [P, C] but ``past``, [P]:

    Attributes:
        past: lambda less that of the start, at Chebyshev's points.
        L: Integral of l up to each point.
        S: Of s.
        lean: Of exp(-S) b.
        weights: Of the integral over the whole, [P].
    """

    past: Array
    L: Array
    S: Array
    lean: Array
    weights: Array

    @classmethod
    def of(cls, statistics: ModelStatistics, start: float, end: float) -> "Stretch":
        """Return the stretch between two values of lambda."""
        points, matrix = _CUMULATIVE
        half = (end - start) / 2
        past = half * (points + 1)
        l, s, b = statistics.at(start + past)  # noqa: E741
        upto = half * matrix
        S = upto @ s
        return cls(past, upto @ l, S, upto @ (np.exp(-S) * b), upto[-1])

    def moment(self, power: int) -> Array:
        """Return the integral of exp(L + S) (lambda - start)^power, [C]."""
        result: Array = (self.weights * self.past**power) @ np.exp(self.L + self.S)
        return result

    def pushed(self) -> Array:
        """Return the integral of exp(L + S) lean, [C]."""
        result: Array = self.weights @ (np.exp(self.L + self.S) * self.lean)
        return result


def _cumulative(count: int) -> tuple[Array, Array]:
    """Return Chebyshev's points from -1 to 1 and the matrix of integrals from -1 to each.

    The matrix is exact for polynomials below degree ``count``.
    """
    from numpy.polynomial import chebyshev

    points = -np.cos(math.pi * np.arange(count) / (count - 1))
    coefficients = np.linalg.inv(chebyshev.chebvander(points, count - 1))
    integrals = chebyshev.chebint(coefficients, lbnd=-1, axis=0)
    matrix: Array = np.asarray(chebyshev.chebvander(points, count) @ integrals, dtype=np.float64)
    return points, matrix


_CUMULATIVE = _cumulative(25)
