"""Linear multistep (Adams-Bashforth) on the probability-flow ODE dx/dsigma = d.

The polynomial through the last slopes is integrated over the step. The weights are the integrals
of Lagrange's basis polynomials, exact by Gauss-Legendre quadrature.

Reference: k-diffusion ``sample_lms`` (there by adaptive quadrature); diffusers
``LMSDiscreteScheduler``.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@cache
def gauss(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the points from -1 to 1 and the weights of Gauss-Legendre quadrature, each [count]."""
    points, weights = np.polynomial.legendre.leggauss(count)
    return points, weights


def adams_weights(
    nodes: Sequence[float],
    start: float,
    end: float,
    density: Callable[[np.ndarray], np.ndarray] | None = None,
) -> list[float]:
    """Return the integral from ``start`` to ``end`` of each Lagrange polynomial over ``nodes``.

    Args:
        nodes: Where the polynomials are 1 or 0, all different.
        start: Of the integral.
        end: Of the integral.
        density: A smooth factor under the integral; 1 if not given.
    """
    count = max(1, (len(nodes) + 1) // 2) if density is None else 24
    points, weights = gauss(count)
    places = 0.5 * (end - start) * points + 0.5 * (end + start)
    if density is not None:
        weights = weights * density(places)
    out = []
    for j, node in enumerate(nodes):
        basis = np.ones_like(places)
        for k, other in enumerate(nodes):
            if k != j:
                basis = basis * (places - other) / (node - other)
        out.append(float(0.5 * (end - start) * (weights @ basis)))
    return out


@solver("lms", order=2)  # as it starts with an Euler step, whatever the order after that
def lms(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Callable[[Tensor], Tensor]",
    *,
    order: int = 4,
) -> "SolverGenerator":
    """Extrapolate the last ``order`` slopes over each step."""
    if not 1 <= order <= 4:
        raise ValueError(f"order of solver 'lms' must be from 1 to 4, got {order}.")
    slopes: list[Tensor] = []
    for i in range(len(sigmas) - 1):
        slopes.insert(0, (x - (yield x, sigmas[i])) / sigmas[i])
        del slopes[order:]
        nodes = [sigmas[i - k] for k in range(len(slopes))]
        weights = adams_weights(nodes, sigmas[i], sigmas[i + 1])
        for weight, slope in zip(weights, slopes, strict=True):
            x = x + weight * slope
    return x
