"""What a prediction says of a noisy point, and how points are drawn with it.

Time runs from 0, data, to 1, noise. The three of diffusion share DDPM's linear schedule of 1,000
timesteps, x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps; a flow has x_t = (1 - t) x0 + t eps.
Whatever the network predicts, x0_pred and eps_pred follow from it, and one deterministic step to
less noise mixes them anew: DDIM (Song et al. 2021, arXiv 2010.02502, eq. 12 with sigma = 0); for
a flow this is Euler's step.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from sdlab.errors import unknown
from sdlab.reference.ddpm import GaussianDiffusion, linear_betas
from sdlab.reference.losses import PREDICTIONS as OF_DIFFUSION
from sdlab.reference.losses import flow_loss, logit_normal, stratified, timesteps_at, unet_loss

PREDICTIONS = (*OF_DIFFUSION, "flow")
TIMESTEPS = 1000


@cache
def alpha_bar() -> Tensor:
    """Return DDPM's, float32 [1000]."""
    return GaussianDiffusion(linear_betas(TIMESTEPS)).alpha_bar.float()


def check_prediction(prediction: str) -> None:
    """Refuse what is none of ``PREDICTIONS``.

    Raises:
        ValueError: It names them.
    """
    if prediction not in PREDICTIONS:
        raise ValueError(unknown("prediction", prediction, PREDICTIONS))


def loss(network: nn.Module, prediction: str, x0: Tensor, generator: torch.Generator) -> Tensor:
    """Return the training loss of a batch of points [B, 2], a scalar; draws times and noise."""
    noise = torch.randn(x0.shape, generator=generator)
    if prediction == "flow":
        return flow_loss(network, x0, noise, logit_normal(len(x0), generator))
    timesteps = timesteps_at(stratified(len(x0), generator))

    def predict(x_t: Tensor, steps: Tensor) -> Tensor:
        out: Tensor = network(x_t, time_of(steps))
        return out

    return unet_loss(predict, x0, noise, timesteps, alpha_bar(), prediction)


def time_of(timesteps: Tensor) -> Tensor:
    """Return timesteps 0 ... 999 as times up to 1, float32."""
    return (timesteps + 1) / TIMESTEPS


def mixing(prediction: str, t: Tensor) -> tuple[Tensor, Tensor]:
    """Return how much of x0 and of eps is in x_t, each [B, 1], at times [B]; all of x0 at 0."""
    if prediction == "flow":
        return 1 - t[:, None], t[:, None]
    levels = torch.cat((torch.ones(1), alpha_bar()))[(t * TIMESTEPS).round().long()][:, None]
    return levels.sqrt(), (1 - levels).sqrt()


def unmixed(prediction: str, output: Tensor, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Return x0_pred and eps_pred, [B, 2], of a network's output at ``x_t`` [B, 2], t [B] > 0."""
    signal, noise = mixing(prediction, t)
    if prediction == "epsilon":
        return (x_t - noise * output) / signal, output
    if prediction == "sample":
        return output, (x_t - signal * output) / noise
    if prediction == "v_prediction":
        return signal * x_t - noise * output, noise * x_t + signal * output
    return x_t - noise * output, x_t + signal * output


@torch.no_grad()
def draw(network: nn.Module, prediction: str, noise: Tensor, steps: int = 50) -> Tensor:
    """Return the points that noise [B, 2] becomes in ``steps`` deterministic steps.

    Raises:
        ValueError: If ``steps`` does not lie between 1 and 1000.
    """
    if not 1 <= steps <= TIMESTEPS:
        raise ValueError(f"steps must lie between 1 and {TIMESTEPS}, got {steps}.")
    x = noise
    times = torch.linspace(1, 0, steps + 1)
    for now, following in zip(times[:-1], times[1:], strict=True):
        t = now.expand(len(x))
        x0_pred, eps_pred = unmixed(prediction, network(x, t), x, t)
        signal, amount = mixing(prediction, following.expand(len(x)))
        x = signal * x0_pred + amount * eps_pred
    return x


@torch.no_grad()
def pull(network: nn.Module, prediction: str, points: Tensor, time: float) -> Tensor:
    """Return x0_pred - x_t at points [N, 2] and a time: where the network thinks the data lie.

    Raises:
        ValueError: If the time does not lie between 0.001 and 1.
    """
    if not 1 / TIMESTEPS <= time <= 1:
        raise ValueError(f"time must lie between 0.001 and 1, got {time:g}.")
    t = torch.full((len(points),), time)
    return unmixed(prediction, network(points, t), points, t)[0] - points
