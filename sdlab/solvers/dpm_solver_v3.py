"""DPM-Solver-v3: an exponential integrator whose linear part is measured on the model.

With lambda = -ln sigma and statistics l, s, b of the model (``model_statistics``) the ODE in VE
coordinates, dx/dlambda = x0_pred - x, has the exact solution (Zheng et al. 2023, arXiv 2310.13268,
eq. 8 and 11, with alpha = 1)

    x_next = exp(-L) (x - integral of exp(L + S) (g + lean) dlambda)
    f = (1 - l) x - x0_pred,    g = exp(-S) f - lean,    lean = integral of exp(-S) b

where L, S are the integrals of l, s over the step. f is what of eps_pred is left when l has taken
what is linear in x; s and b take out how f moves along the way, so that g hardly moves. g is taken
for the polynomial through its last values. On Gaussian data it is constant and a step of any
length is exact.

The corrector is the same step with the g just made at its end, and takes no evaluation of its own;
f there is kept for the next step, as in the authors' code. With pseudo-order the derivatives of the
polynomial are plain divided differences: order 2 as before, of higher orders a damped polynomial.
A step to sigma 0 gives x0_pred.

It needs a model's statistics, so it is no solver by itself: ``sdlab statistics`` measures them and
writes the plug-in that is one.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from sdlab.solvers.model_statistics import Array, ModelStatistics, Stretch

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.randomness import Noise
    from sdlab.solvers.registry import SolverGenerator

    Made = list[tuple[float, Tensor]]  # (lambda, f), where the polynomial goes through


def dpm_solver_v3(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Noise",
    *,
    statistics: ModelStatistics,
    order: int = 2,
    corrector: bool = True,
    predictor_pseudo: bool = False,
    corrector_pseudo: bool = True,
    lower_order_final: bool = True,
) -> "SolverGenerator":
    """Correct each point by the prediction made there, then predict the next.

    Args:
        x: The start point, [B, C, H, W], VE coordinates.
        sigmas: The curve.
        noise: Not used.
        statistics: Of the model that answers.
        order: Of the predictor, 1 to 3.
        corrector: Whether points are corrected.
        predictor_pseudo: Pseudo-order for the predictor.
        corrector_pseudo: Pseudo-order for the corrector, which is then of one order more.
        lower_order_final: Whether the order falls to 1 towards the last step.

    Raises:
        ValueError: If the order or a noise level is out of range.
    """
    if not 1 <= order <= 3:
        raise ValueError(f"order of solver 'dpm_solver_v3' must be from 1 to 3, got {order}.")
    statistics.check_range(sigmas)
    held = statistics.for_channels(x.shape[1])
    before: Made = []
    x_before, used = x, 0
    for i, sigma in enumerate(sigmas[:-1]):
        x0_pred = yield x, sigma
        if sigmas[i + 1] == 0:
            return x0_pred
        reached = -math.log(sigma)
        rest = x - x0_pred - _like(held.at(np.array([reached]))[0][0], x) * x
        count = used + corrector_pseudo
        if corrector and before and count > 1:
            nodes = [before[0], (reached, rest), *before[1 : count - 1]]
            x = _step(x_before, nodes, reached, held, corrector_pseudo)
        before = [(reached, rest), *before][:order]
        left = len(sigmas) - 1 - i if lower_order_final else order
        used = min(len(before), left)
        x_before = x
        x = _step(x, before[:used], -math.log(sigmas[i + 1]), held, predictor_pseudo)
    return x


def _step(
    x: "Tensor", nodes: "Made", end: float, statistics: ModelStatistics, pseudo: bool
) -> "Tensor":
    """Return x at ``end`` from ``x`` at the first node's lambda."""
    start = nodes[0][0]
    way = Stretch.of(statistics, start, end)
    weights = _weights(way, [place - start for place, _ in nodes], pseudo)
    x = x - _like(way.pushed(), x)
    for weight, (place, rest) in zip(weights, nodes, strict=True):
        back = Stretch.of(statistics, start, place)
        g = _like(np.exp(-back.S[-1]), x) * rest - _like(back.lean[-1], x)
        x = x - _like(weight, x) * g
    return _like(np.exp(-way.L[-1]), x) * x


def _weights(way: Stretch, places: list[float], pseudo: bool) -> Array:
    """Return the integral of each g's share of the polynomial, [J, C]."""
    make = _divided if pseudo else _interpolating
    moments = np.stack([way.moment(power) for power in range(len(places))])
    return make(places).T @ moments


def _interpolating(places: list[float]) -> Array:
    """Return how the powers of the polynomial through all places follow from its values there."""
    return np.asarray(np.linalg.inv(np.vander(places, increasing=True)), dtype=np.float64)


def _divided(places: list[float]) -> Array:
    """Return the divided differences over the first places, of each order, as such powers."""
    matrix = np.zeros((len(places), len(places)))
    for power in range(len(places)):
        some = places[: power + 1]
        for j, place in enumerate(some):
            matrix[power, j] = 1 / math.prod(place - other for other in some if other != place)
    return matrix


def _like(values: Array, x: "Tensor") -> "Tensor":
    """Return numbers by channel as a factor of ``x``."""
    import torch

    made: Tensor = torch.from_numpy(np.ascontiguousarray(values)).to(x)
    return made.view(-1, *[1] * (x.ndim - 2))
