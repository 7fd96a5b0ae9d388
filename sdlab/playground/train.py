"""Trains a network on points while one watches: a generator of its progress.

    work = train(Settings("two moons", prediction="v_prediction"))
    for progress in work: ...          # close() cancels

The losses are those of ``sdlab.reference.losses``. Points are drawn with the weights' running
average.
"""

from __future__ import annotations

from collections.abc import Generator
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from sdlab.errors import unknown
from sdlab.playground.data import DATA, sample
from sdlab.playground.distance import Distance, to_truth
from sdlab.playground.network import ACTIVATIONS, EMBEDDINGS, PointNetwork
from sdlab.playground.process import check_prediction, draw, loss, pull
from sdlab.reference.losses import update_average

EVERY = 25
SHOWN = 500
MEASURED = 8000
DECAY = 0.99
"""Of the weights' running average: over the last hundred steps."""
EDGE, GRID = 2.5, 15


@dataclass(frozen=True)
class Settings:
    """What is trained, and how.

    Attributes:
        data: One of ``sdlab.playground.data.DATA``.
        prediction: "epsilon", "sample" (x0), "v_prediction" or "flow".
        activation: One of ``sdlab.playground.network.ACTIVATIONS``.
        embedding: "sinusoids", "fourier" or "scalar".
        steps: Of the optimizer, 1 or more.
        batch: Points a step, 1 or more.
        lr: Peak step size of AdamW, above 0; it falls to 0 along half a cosine.
        seed: Of weights, data and noise.

    Raises:
        ValueError: If a name is unknown or a number out of range.
    """

    data: str = "two moons"
    prediction: str = "epsilon"
    activation: str = "SiLU"
    embedding: str = "sinusoids"
    steps: int = 1500
    batch: int = 256
    lr: float = 3e-3
    seed: int = 0

    def __post_init__(self) -> None:
        check_prediction(self.prediction)
        for name, allowed in (
            ("data", DATA),
            ("activation", ACTIVATIONS),
            ("embedding", EMBEDDINGS),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(unknown(name, getattr(self, name), allowed))
        for name in ("steps", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}.")
        if not self.lr > 0:
            raise ValueError(f"lr must be above 0, got {self.lr:g}.")


@dataclass(frozen=True, eq=False)
class Progress:
    """Where a training stands.

    Attributes:
        step: Optimizer steps made.
        loss: Its mean over the steps since the last progress.
        points: What the network draws of always the same noise, float32 [N, 2]; None in between.
        field: x0_pred - x_t on ``grid_points`` at time 0.3, float32 [G * G, 2]; None in between.
    """

    step: int
    loss: float
    points: Tensor | None = None
    field: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network.

    Attributes:
        settings: What was asked for.
        network: With the averaged weights.
    """

    settings: Settings
    network: PointNetwork

    def points(self, count: int, seed: int = 1, steps: int = 50) -> Tensor:
        """Return drawn points, float32 [count, 2]."""
        noise = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
        return draw(self.network, self.settings.prediction, noise, steps)

    def field(self, time: float) -> Tensor:
        """Return x0_pred - x_t on ``grid_points`` at a time from 0.001 to 1, [G * G, 2]."""
        return pull(self.network, self.settings.prediction, grid_points(), time)

    def distance(self, count: int = MEASURED, seed: int = 1, steps: int = 50) -> Distance:
        """Return how far ``count`` drawn points are from as many of the truth."""
        generator = torch.Generator().manual_seed(seed)
        truth, other = (sample(self.settings.data, count, generator).numpy() for _ in range(2))
        return to_truth(self.points(count, seed, steps).numpy(), truth, other)


def grid_points() -> Tensor:
    """Return a square grid of points, float32 [G * G, 2], row by row from below."""
    line = torch.linspace(-EDGE, EDGE, GRID)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack((x.flatten(), y.flatten()), 1)


def train(
    settings: Settings, every: int = EVERY, pictures: int = 10
) -> Generator[Progress, None, Trained]:
    """Train, yield progress, return the network.

    Args:
        settings: What to train.
        every: Steps between two yields.
        pictures: How many of the yields, evenly over all, have points and field; the last one has,
            unless this is 0.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    network = PointNetwork(settings.activation, settings.embedding, generator)
    shown = Trained(settings, deepcopy(network))
    average = {name: p.detach() for name, p in shown.network.named_parameters()}
    optimizer = torch.optim.AdamW(network.parameters(), settings.lr, (0.9, 0.99), fused=True)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    losses: list[Tensor] = []
    drawn = 0
    for step in range(1, settings.steps + 1):
        losses.append(_step(network, optimizer, settings, generator))
        fall.step()
        update_average(average, network, DECAY, step)
        if step % every == 0 or step == settings.steps:
            mean = float(torch.stack(losses).mean())
            losses.clear()
            due = step * pictures // settings.steps
            if due > drawn:
                yield Progress(step, mean, shown.points(SHOWN), shown.field(0.3))
            else:
                yield Progress(step, mean)
            drawn = due
    return shown


@torch.enable_grad()
def _step(
    network: PointNetwork,
    optimizer: torch.optim.Optimizer,
    settings: Settings,
    generator: torch.Generator,
) -> Tensor:
    """Make one step and return its loss."""
    x0 = sample(settings.data, settings.batch, generator)
    found = loss(network, settings.prediction, x0, generator)
    optimizer.zero_grad()
    found.backward()
    optimizer.step()
    return found.detach()
