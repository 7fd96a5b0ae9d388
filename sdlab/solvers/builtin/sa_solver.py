"""SA-Solver: Adams' predictor and corrector on the reverse SDE, with tau the share of its noise.

With lambda = -ln sigma and h the step in it, a polynomial through the last x0_pred is integrated
over the step against the SDE's own exponential (Xue et al. 2023, arXiv 2309.05019, algorithm 1,
data prediction, in VE coordinates):

    x_next = (sigma_next / sigma) exp(-tau^2 h) x + sum_j b_j x0_j
             + sigma_next sqrt(1 - exp(-2 tau^2 h)) n(sigma, sigma_next)
    b_j = integral over the step of (1 + tau^2) exp((1 + tau^2) (l - lambda_next)) L_j(l) dl

L_j are Lagrange's polynomials. The corrector is the same step with the x0_pred just made at its end
among them, and the same noise; it takes no evaluation of its own. ``sa_solver_pece`` asks once
more, at the corrected point. tau holds where the step ends between s_min and s_max, as in the
paper, and is 0 elsewhere. Before sigma 0 the orders fall, the corrector rests (not with PECE), and
the last step gives x0_pred. n is the increment of one Brownian path. diffusers
``SASolverScheduler``; ComfyUI's "sa_solver" and "sa_solver_pece", whose tau is 1 from a fifth of
the timesteps to four fifths.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from sdlab.solvers.builtin.lms import adams_weights
from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.solvers.randomness import Noise
    from sdlab.solvers.registry import SolverGenerator

    Predicted = list[tuple[float, Tensor]]  # (sigma, x0_pred), the newest first


@solver("sa_solver", order=2, deterministic=False)
def sa_solver(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Noise",
    *,
    tau: float = 1.0,
    s_min: float = 0.05,
    s_max: float = 50.0,
    predictor_order: int = 3,
    corrector_order: int = 4,
) -> "SolverGenerator":
    """Correct each point by the x0_pred made there, then predict the next."""
    shares = _shares(sigmas, tau, s_min, s_max)
    return (yield from _adams(x, sigmas, noise, shares, predictor_order, corrector_order, False))


@solver("sa_solver_pece", order=2, stages=2, deterministic=False)
def sa_solver_pece(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Noise",
    *,
    tau: float = 1.0,
    s_min: float = 0.05,
    s_max: float = 50.0,
    predictor_order: int = 3,
    corrector_order: int = 4,
) -> "SolverGenerator":
    """Correct each point by the x0_pred made there, and ask again at the corrected one."""
    shares = _shares(sigmas, tau, s_min, s_max)
    return (yield from _adams(x, sigmas, noise, shares, predictor_order, corrector_order, True))


def _shares(sigmas: tuple[float, ...], tau: float, s_min: float, s_max: float) -> list[float]:
    """Return tau of each step."""
    return [tau if s_min <= sigma <= s_max else 0.0 for sigma in sigmas[1:]]


def _adams(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Noise",
    shares: list[float],
    predictor_order: int,
    corrector_order: int,
    pece: bool,
) -> "SolverGenerator":
    before: Predicted = []
    x_pred, added = x, 0.0 * x
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        before = [(sigma, (yield x_pred, sigma)), *before]
        left = len(sigmas) - 2 - i if sigmas[-1] == 0 else len(sigmas)
        order = min(corrector_order, len(before), left + 1)
        if i == 0 or order == 0 or (sigma_next == 0 and not pece):
            x = x_pred
        else:
            x = _step(x, sigmas[i - 1], sigma, before[:order], shares[i - 1]) + added
            if pece:
                before[0] = (sigma, (yield x, sigma))
        if sigma_next == 0:
            return before[0][1]
        before = before[: max(predictor_order, corrector_order)]
        used = before[: max(1, min(predictor_order, left))]
        added = _noise(x, sigma, sigma_next, noise, shares[i])
        x_pred = _step(x, sigma, sigma_next, used, shares[i]) + added
    return x_pred


def _step(
    x: "Tensor", sigma: float, sigma_next: float, before: "Predicted", tau: float
) -> "Tensor":
    """Return x at ``sigma_next`` without its noise, by the polynomial through ``before``."""
    rate, h = 1 + tau**2, math.log(sigma / sigma_next)
    nodes = [math.log(sigma_next / s) for s, _ in before]  # lambda, counted from the step's end

    def density(place: np.ndarray) -> np.ndarray:
        return rate * np.exp(rate * place)

    x = math.exp(-rate * h) * x
    for weight, (_, x0_pred) in zip(adams_weights(nodes, -h, 0.0, density), before, strict=True):
        x = x + weight * x0_pred
    return x


def _noise(x: "Tensor", sigma: float, sigma_next: float, noise: "Noise", tau: float) -> "Tensor":
    """Return the noise of a step, like ``x``."""
    if tau == 0:
        return 0.0 * x
    spread = sigma_next * math.sqrt(1 - (sigma_next / sigma) ** (2 * tau**2))
    return spread * noise.between(x, sigma, sigma_next)
