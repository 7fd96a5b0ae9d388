"""DEIS: Adams-Bashforth on the noise prediction, with the ODE's linear part solved exactly.

In VE coordinates dx = eps d(sigma). The polynomial in ln sigma through the last predictions eps is
integrated over the step (Zhang & Chen 2022, arXiv 2204.13902, eq. 14 and 15, tAB-DEIS with time
taken as ln rho, rho = sigma):

    x_next = x + sum_j C_j eps_j,   C_j = integral from sigma to sigma_next of L_j(ln s) ds

L_j are Lagrange's basis polynomials. Order 1 is DDIM, and so is a step to sigma 0, where ln sigma
has no end. diffusers ``DEISMultistepScheduler``, which stops at the schedule's smallest sigma.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from sdlab.solvers.builtin.lms import adams_weights
from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


@solver("deis", order=2)  # as it starts with an Euler step, whatever the order after that
def deis(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Callable[[Tensor], Tensor]",
    *,
    order: int = 3,
) -> "SolverGenerator":
    """Extrapolate the last ``order`` noise predictions over each step, in ln sigma."""
    if not 1 <= order <= 3:
        raise ValueError(f"order of solver 'deis' must be from 1 to 3, got {order}.")
    before: list[tuple[float, Tensor]] = []
    for sigma, sigma_next in pairwise(sigmas):
        eps_pred = (x - (yield x, sigma)) / sigma
        before = [(sigma, eps_pred), *before][: order if sigma_next > 0 else 1]
        if len(before) == 1:
            x = x + (sigma_next - sigma) * eps_pred
            continue
        nodes = [math.log(s / sigma) for s, _ in before]
        weights = adams_weights(nodes, 0.0, math.log(sigma_next / sigma), np.exp)
        for weight, (_, eps) in zip(weights, before, strict=True):
            x = x + sigma * weight * eps
    return x
