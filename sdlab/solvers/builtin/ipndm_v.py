"""iPNDM-v as ComfyUI and diff-sampler have it: Adams-Bashforth for the strides that a curve has.

x_next = x + h sum_k w_k e_k over the last noise predictions, h = sigma_next - sigma, and h_1, h_2,
h_3 the strides before. With a = h_1 / h_2 and q = h_1 (h_1 + h_2) / (h_2 (h_2 + h_3)) the weights
grow by one row for each prediction there is:

    (1 + h / 2 h_1,  -h / 2 h_1)
    t (1,  -1 - a,  a)
    u (1,  -1 - a - q,  a + q (1 + h_2 / h_3),  -q a)

Three slips are in those programs, and kept here. With r = h / 3 (h + h_1) and s = h (h + h_1) /
(h_1 (h_1 + h_2)), (1 - r) s in t has become 1 - r s; u has a plus for a minus; and the last weight
has a for h_2 / h_3, so that the weights do not add up to 1 unless the strides have a constant
ratio. Over the karras curve that leaves second order and an error above that of ``ipndm``, which
ignores the strides; ``lms`` is the method as it was meant. A step to sigma 0 gives x0_pred.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

from sdlab.solvers.registry import solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from sdlab.solvers.registry import SolverGenerator


def stride_weights(strides: list[float]) -> list[float]:
    """Return the weight of each noise prediction, the newest first; they need not add up to 1.

    Args:
        strides: The step to take and the 0 to 3 before it, the newest first, all of one sign.
    """
    h, h_1, h_2, h_3 = (*strides, *[strides[-1]] * 3)[:4]
    a, q = h_1 / h_2, h_1 * (h_1 + h_2) / (h_2 * (h_2 + h_3))
    r, s = h / (3 * (h + h_1)), h * (h + h_1) / (h_1 * (h_1 + h_2))
    t = (1 - r * s) / 2
    u = (1 - r) / 2 + (1 - 1.5 * r) * h / (6 * (h + h_1 + h_2))
    u = u * s * (h + h_1 + h_2) / (h_1 + h_2 + h_3)
    half = h / (2 * h_1)
    rows = (
        (1.0,),
        (half, -half),
        (t, -t * (1 + a), t * a),
        (u, -u * (1 + a + q), u * (a + q * (1 + h_2 / h_3)), -u * q * a),
    )
    known = rows[: len(strides)]
    return [sum(row[k] for row in known if k < len(row)) for k in range(len(strides))]


@solver("ipndm_v", order=2)
def ipndm_v(
    x: "Tensor",
    sigmas: tuple[float, ...],
    noise: "Callable[[Tensor], Tensor]",
    *,
    order: int = 4,
) -> "SolverGenerator":
    """Extrapolate the last ``order`` noise predictions with the weights of their strides."""
    if not 1 <= order <= 4:
        raise ValueError(f"order of solver 'ipndm_v' must be from 1 to 4, got {order}.")
    before: list[Tensor] = []
    strides: list[float] = []
    for sigma, sigma_next in pairwise(sigmas):
        x0_pred = yield x, sigma
        if sigma_next == 0:
            x = x0_pred
            continue
        before = [(x - x0_pred) / sigma, *before][:order]
        strides = [sigma_next - sigma, *strides][:order]
        for weight, eps_pred in zip(stride_weights(strides), before, strict=True):
            x = x + strides[0] * weight * eps_pred
    return x
