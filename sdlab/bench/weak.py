"""The weak error: how far the samples' mean and covariance are from the data's own.

With Delta the vector of (mean - true mean) / spread and (covariance - true covariance) / |true
covariance| (Frobenius), the error is |Delta|. Samples are finite, so even perfect ones show an
error: ``chance`` is its root mean square, sqrt(trace(S) / n), where S is the covariance of one
sample's contribution. The interval is error +- 1.96 sqrt(u' S u / n) with u = Delta / |Delta|
(the delta method). An error below about twice ``chance`` may be chance alone.

For data with more than ``FULL`` entries only the variances are compared, not the covariances.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

from sdlab.denoisers.exact import ExactDenoiser, flat

if TYPE_CHECKING:
    from torch import Tensor

FULL = 16


class WeakError(NamedTuple):
    """A weak error, its 95 % interval, and what perfect samples would show."""

    error: float
    low: float
    high: float
    chance: float


def moment_error(x: "Tensor", denoiser: ExactDenoiser, sigma: float = 0.0) -> WeakError:
    """Return the weak error of samples at a noise level.

    Args:
        x: The samples, [B, C, H, W], VE coordinates.
        denoiser: Whose data they should be.
        sigma: Their noise level; 0 for clean samples.
    """
    import torch

    mean, covariance = denoiser.moments()
    covariance = covariance + sigma**2 * torch.eye(len(mean), dtype=torch.float64)
    return error_of_moments(x, mean, covariance)


def error_of_moments(x: "Tensor", mean: "Tensor", covariance: "Tensor") -> WeakError:
    """Return the weak error of samples whose mean [D] and covariance [D, D] should be these."""
    import torch

    apart = flat(x) - mean
    size = len(mean)
    if size > FULL:
        true = covariance.diagonal()
        products = apart**2
    else:
        i, j = torch.triu_indices(size, size)
        twice = torch.where(i == j, 1.0, math.sqrt(2.0)).double()
        true = covariance[i, j] * twice
        products = apart[:, i] * apart[:, j] * twice
    parts = torch.cat((apart / covariance.trace().sqrt(), (products - true) / true.norm()), 1)
    delta = parts.mean(0)
    error = float(delta.norm())
    count = len(parts)
    chance = math.sqrt(float(parts.var(0).sum()) / count)
    along = float((parts @ (delta / max(error, 1e-300))).var()) / count
    half = 1.96 * math.sqrt(along)
    return WeakError(error, max(0.0, error - half), error + half, chance)
