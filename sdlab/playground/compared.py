"""What a trained network's distance to the truth is to be held against.

A normal distribution with the data's mean and covariance is what learning no more than these two
would draw; a second cloud of the truth is as near as anything can come with so many points. All are
measured against the same cloud.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sdlab.playground.data import sample
from sdlab.playground.distance import Distance, to_truth
from sdlab.playground.train import MEASURED, Trained
from sdlab.work import Work

NETWORK, GAUSSIAN, TRUTH = "this network", "fitted Gaussian", "truth against truth"


def comparing(
    trained: Trained, count: int = MEASURED, seed: int = 1, steps: int = 50
) -> Work[dict[str, Distance]]:
    """Return the distance to the truth of the network's points and of two references.

    Args:
        trained: The network.
        count: Points of each cloud.
        seed: Of the clouds and of the network's noise.
        steps: In which the network draws, 1 ... 1000.

    Returns:
        By name, "this network" first. Yields after each.

    Raises:
        ValueError: If ``steps`` or ``count`` is out of range.
    """
    generator = torch.Generator().manual_seed(seed)
    data = trained.settings.data
    truth, other, seen = (sample(data, count, generator).double() for _ in range(3))
    root = torch.linalg.cholesky(seen.T.cov())
    noise = torch.randn(count, 2, generator=generator, dtype=torch.float64)
    clouds: dict[str, Callable[[], Tensor]] = {
        NETWORK: lambda: trained.points(count, seed, steps).double(),
        GAUSSIAN: lambda: seen.mean(0) + noise @ root.T,
        TRUTH: lambda: other,
    }
    found = {}
    for done, (name, draw) in enumerate(clouds.items(), start=1):
        found[name] = to_truth(draw().numpy(), truth.numpy(), seen.numpy())
        yield done, len(clouds)
    return found
