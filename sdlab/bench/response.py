"""The weak error of a stochastic solver on Gaussian data, computed exactly.

The exact denoiser of a Gaussian is affine, so a solver that only adds and scales is affine in its
start x and in every noise n_j it draws: x_end = c + A (x - mean) + sum_j B_j n_j, separately along
each principal axis. One batch finds all of it: a row at the mean without noise gives c, one with a
start displaced by 1 gives A, and for each draw one row, in which that draw is 1, gives B_j. Then

    mean(x_end) = c,   variance(x_end) = A^2 (s^2 + sigma_start^2) + sum_j B_j^2

are known up to rounding, where 16,384 samples leave an uncertainty of about 0.01. A last row with a
random start and random draws checks that the solver is affine; if it is not, samples are used.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

from sdlab.bench.data import Problem
from sdlab.bench.ready_solver import ReadySolver, SharedNoise
from sdlab.bench.weak import WeakError
from sdlab.denoisers.exact import flat
from sdlab.denoisers.gaussian import Gaussian
from sdlab.denoisers.on_flow import OnFlow

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MAX_DRAWS = 4096
AFFINE = 1e-7


class Impulses(SharedNoise):
    """Noise that for each draw is 1 in one row, along every axis, and random in the last row.

    Args:
        generator: For the last row.
        axes: Unit vectors as columns, [D, D].
    """

    def __init__(self, generator: "torch.Generator", axes: "Tensor") -> None:
        super().__init__(generator)
        self.axes = axes
        self.random: list[Tensor] = []

    def __call__(self, x: "Tensor") -> "Tensor":
        """Return the next draw's rows, in the shape of ``x``."""
        import torch

        rows = torch.zeros(len(x), len(self.axes), dtype=torch.float64)
        rows[2 + self.draws] = 1.0
        rows[-1] = torch.randn(len(self.axes), generator=self.generator, dtype=torch.float64)
        self.random.append(rows[-1])
        self.draws += 1
        return (rows @ self.axes.T).reshape(x.shape).to(x.dtype)


class ExactMoments(NamedTuple):
    """The law of a solver's ends on Gaussian data, along its principal axes.

    Attributes:
        centre: How far the mean is off, [D].
        variance: The variance, [D].
        true: What the variance should be, [D].
        nfe: Evaluations made.
    """

    centre: "Tensor"
    variance: "Tensor"
    true: "Tensor"
    nfe: int


def exact_error(entrant: ReadySolver, found: Problem, seed: int) -> "tuple[WeakError, int] | None":
    """Return the exact weak error and the evaluations made; None where moments have no exact form.

    Args:
        entrant: A solver, set up, that draws nothing but the noise it is handed.
        found: A problem of Gaussian data.
        seed: Of the check.
    """
    moments = exact_moments(entrant, found, seed)
    return None if moments is None else (_weak(*moments[:3]), moments.nfe)


def exact_moments(entrant: ReadySolver, found: Problem, seed: int) -> ExactMoments | None:
    """Return the exact mean and variance of a solver's ends.

    Args:
        entrant: A solver, set up, that draws nothing but the noise it is handed.
        found: A problem of Gaussian data.
        seed: Of the check.

    Returns:
        None if the solver is not affine or draws more than ``MAX_DRAWS`` times.
    """
    import torch

    data, denoise = gaussian_of(found), found.denoiser.denoise
    assert data is not None
    mean = found.signal(entrant.start) * data.mean
    size = len(data.std)
    axes = torch.eye(size, dtype=torch.float64) if data.axes is None else data.axes
    generator = torch.Generator().manual_seed(seed)
    counter = SharedNoise(generator)
    entrant.run(mean[None].clone(), denoise, counter, None)
    if counter.draws > MAX_DRAWS:
        return None
    start = torch.zeros(counter.draws + 3, size, dtype=torch.float64)
    start[1] = 1.0
    start[-1] = torch.randn(size, generator=generator, dtype=torch.float64) * entrant.start
    x = (start @ axes.T + mean.flatten()).reshape(-1, *data.shape)
    noise = Impulses(generator, axes)
    x_end, nfe = entrant.run(x, denoise, noise, None)
    ends = (flat(x_end) - found.signal(entrant.end) * data.mean.flatten()) @ axes
    centre, gain, kicks = ends[0], ends[1] - ends[0], ends[2:-1] - ends[0]
    if not bool(torch.isfinite(ends).all()):
        return None
    drawn = torch.stack(noise.random) if noise.random else torch.zeros(0, size)
    predicted = centre + gain * start[-1] + (kicks * drawn).sum(0)
    rounding = max(AFFINE, 100.0 * entrant.precision)
    if float((predicted - ends[-1]).abs().max()) > rounding * max(1.0, float(start[-1].norm())):
        return None
    begun, true = (
        found.signal(level) ** 2 * data.std**2 + level**2 for level in (entrant.start, entrant.end)
    )
    return ExactMoments(centre, gain**2 * begun + (kicks**2).sum(0), true, nfe)


def exact_floor(entrant: ReadySolver, found: Problem) -> float:
    """Return the weak error due to the last jump to sigma 0 alone; NaN if there is none."""
    data = gaussian_of(found)
    if entrant.end != 0 or data is None:
        return math.nan
    sigma = entrant.last / found.signal(entrant.last)
    variance = data.std**4 / (data.std**2 + sigma**2)
    return _weak(data.std * 0.0, variance, data.std**2).error


def gaussian_of(found: Problem) -> Gaussian | None:
    """Return a problem's data if they are Gaussian, on whichever path."""
    data = found.denoiser.data if isinstance(found.denoiser, OnFlow) else found.denoiser
    return data if isinstance(data, Gaussian) else None


def _weak(centre: "Tensor", variance: "Tensor", true: "Tensor") -> WeakError:
    mean = float(centre.norm()) / math.sqrt(float(true.sum()))
    error = math.hypot(mean, float((variance - true).norm() / true.norm()))
    return WeakError(error, error, error, 0.0)
