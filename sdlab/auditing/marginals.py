"""Whether a sampler that draws noise keeps the marginals: mean and variance of its samples.

On Gaussian data both are known. A sampler that only adds and scales, with noise that is handed to
it, has them computed exactly (``bench.response``), else from samples, with a 95 % interval. With
many steps what is left is the sampler's own: an SDE solver comes nearer with every step, one that
adds too little or too much noise does not.
"""

import math
from typing import NamedTuple

import pandas as pd

from sdlab.auditing.accuracy import SAMPLES, WEAK, before_jump, falls
from sdlab.auditing.subject import Subject
from sdlab.bench.data import problem
from sdlab.bench.ready_solver import SharedNoise, schedule
from sdlab.bench.response import exact_moments, gaussian_of
from sdlab.bench.truth import truth
from sdlab.denoisers.exact import flat

RIGHT = 1e-3


class Marginals(NamedTuple):
    """Mean and variance at the end, against the exact.

    Attributes:
        steps: How many steps were made.
        mean: Largest distance of the mean, along any axis, in true standard deviations.
        mean_low: Lower end of its 95 % interval.
        mean_high: Upper end.
        variance: Variance over the true one, along the axis where it is furthest from 1.
        variance_low: Lower end of its 95 % interval.
        variance_high: Upper end.
        exact: Whether both were computed, not sampled.
        keeps: Whether what is off vanishes with more steps, or is within the interval.
    """

    steps: int
    mean: float
    mean_low: float
    mean_high: float
    variance: float
    variance_low: float
    variance_high: float
    exact: bool
    keeps: bool


def marginals(subject: Subject, path: str, rows: pd.DataFrame, seed: int = 0) -> Marginals:
    """Return mean and variance of a sampler's ends at the most steps of a table.

    Args:
        subject: A sampler that draws noise.
        path: "vp" or "flow".
        rows: Its weak errors over step counts, of ``sdlab.bench.errors``.
        seed: Of the samples.
    """
    import torch

    steps = int(rows["asked_steps"].max())
    found = problem(WEAK, path)
    entrant = before_jump(subject.ready(steps, "sigma_min", path, False))
    computed = exact_moments(entrant, found, seed) if entrant.takes_noise else None
    if computed is not None:
        off, ratio = computed.centre / computed.true.sqrt(), computed.variance / computed.true
        count = math.inf
    else:
        data = gaussian_of(found)
        assert data is not None
        real = truth(found, max(schedule(path).sigma_max, entrant.start), SAMPLES, seed)
        noise = SharedNoise(torch.Generator().manual_seed(seed + 1))
        ends, _ = entrant.run(real.at(entrant.start), found.denoiser.denoise, noise, None)
        axes = torch.eye(found.dimension).double() if data.axes is None else data.axes
        signal = found.signal(entrant.end)
        along = (flat(ends) - signal * data.mean.flatten()) @ axes
        true = signal**2 * data.std**2 + entrant.end**2
        off, ratio, count = along.mean(0) / true.sqrt(), along.var(0) / true, SAMPLES
    worst = int((ratio - 1.0).abs().argmax()) if bool(ratio.isfinite().all()) else 0
    mean, variance = float(off.abs().max()), float(ratio[worst])
    wide, wider = 1.96 / math.sqrt(count), 1.96 * variance * math.sqrt(2.0 / count)
    return Marginals(
        steps,
        mean,
        max(0.0, mean - wide),
        mean + wide,
        variance,
        variance - wider,
        variance + wider,
        count == math.inf,
        _keeps(rows),
    )


def _keeps(rows: pd.DataFrame) -> bool:
    """Return whether a weak error vanishes: within chance, nothing, or still falling."""
    line = rows.sort_values("num_steps")
    last, chance = line["error"].iloc[-1], line["chance"].fillna(0.0).iloc[-1]
    return bool(last < max(RIGHT, 2.0 * chance)) or falls(line)
