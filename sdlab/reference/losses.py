"""What a VAE, a U-Net and a rectified flow are trained on. The embedded model's trainer calls it.

The VAE gives back a picture x: |decode(z) - x|^2, a share of |decode(z) - x|, and a trace of
KL(q(z | x) | N(0, I)). (Stable Diffusion's own has LPIPS and a discriminator besides; Rombach et
al. 2022, arXiv 2112.10752, section 3.1.)

The U-Net sees x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps at a drawn timestep, with the
caption, and predicts one of three things, each of which gives the others:

    epsilon       eps                                                     Ho et al. 2020
    sample        x0
    v_prediction  v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0        Salimans, Ho 2022

With SNR = alpha_bar / (1 - alpha_bar), an error d of x0 is an error sqrt(SNR) d of eps and
sqrt(SNR + 1) d of v: which of them is squared says how much each noise level counts.

A rectified flow sees x_t = (1 - t) x0 + t eps with t in 0 ... 1 and predicts eps - x0.

Reference:
    Ho et al. 2020, arXiv 2006.11239, eq. 14; Salimans, Ho 2022, arXiv 2202.00512; Hang et al. 2023,
    arXiv 2303.09556 (min-SNR); Liu et al. 2022, arXiv 2209.03003, and Esser et al. 2024, arXiv
    2403.03206 (rectified flow); Ho, Salimans 2022, arXiv 2207.12598 (captions left out).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdlab.errors import unknown

PREDICTIONS = ("epsilon", "sample", "v_prediction")


def vae_loss(
    restored: Tensor,
    pictures: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    *,
    absolute: float = 0.1,
    kl_weight: float = 1e-6,
) -> tuple[Tensor, Tensor]:
    """Return the loss of a VAE and of it the mean squared error, both scalars.

    Args:
        restored: decode(z), float [B, 3, H, W].
        pictures: What was encoded, the same shape.
        mean: Of q(z | x), [B, C, H/8, W/8].
        log_variance: Of q(z | x), like ``mean``.
        absolute: Weight of the mean absolute error.
        kl_weight: Weight of the mean KL of a picture, in nats.
    """
    mse = F.mse_loss(restored, pictures)
    kl = kl_to_normal(mean, log_variance).mean()
    return mse + absolute * F.l1_loss(restored, pictures) + kl_weight * kl, mse


def kl_to_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, variance) | N(0, I)) of each sample [B, ...], [B] nats."""
    entries: Tensor = mean.square() + log_variance.exp() - 1.0 - log_variance
    return 0.5 * entries.sum(tuple(range(1, entries.ndim)))


def stratified(count: int, generator: torch.Generator) -> Tensor:
    """Return ``count`` shares in 0 ... 1, one drawn in each of as many equal parts, ascending.

    Each alone is uniform; together they cover the range evenly, so that a batch's loss jumps less.
    What goes with them must be in random order: else a network reads from the time which it is.
    """
    return (torch.arange(count) + torch.rand(count, generator=generator)) / count


def timesteps_at(
    shares: Tensor, reach: Iterable[tuple[float, float]] = ((0.0, 0), (1.0, 1000))
) -> Tensor:
    """Return timesteps int64 of shares in 0 ... 1, by default spread evenly over 0 ... 999.

    Args:
        shares: As ``stratified`` draws them, [B].
        reach: Pairs (share, timestep): so large a share of the samples lies below that timestep.
            Between them it rises linearly; the last timestep is the number of all.
    """
    share, last = torch.tensor(tuple(reach), dtype=torch.float64).T.contiguous()
    x = shares.double()
    left = (torch.searchsorted(share, x, right=True) - 1).clamp(0, len(share) - 2)
    slope = last.diff() / share.diff()
    timesteps = slope[left] * (x - share[left]) + last[left]
    return timesteps.long().clamp(0, int(last[-1]) - 1)


def drop_captions(
    ids: Tensor, empty: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return the captions with some replaced by the empty one, and which, bool [B].

    Guidance needs a network that also knows what to do without a caption.

    Args:
        ids: Token ids, int64 [B, L].
        empty: Those of the empty caption, int64 [L].
        share: Of captions to leave out, 0 ... 1.
        generator: Draws which.
    """
    dropped = torch.rand(len(ids), generator=generator).to(ids.device) < share
    return torch.where(dropped[:, None], empty.to(ids.device), ids), dropped


def noised(x0: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) noise; ``alpha_bar`` [B, 1, ...]."""
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise


def eps_between(x_t: Tensor, x0: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return the noise that makes ``x_t`` of ``x0``, like ``x0``; ``alpha_bar`` [B, 1, ...]."""
    return (x_t - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()


def target(prediction: str, x0: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return what the network is to predict, like ``x0``.

    Args:
        prediction: "epsilon", "sample" or "v_prediction", diffusers' ``prediction_type``.
        x0: [B, ...].
        noise: Like ``x0``.
        alpha_bar: [B, 1, ...].

    Raises:
        ValueError: If the prediction is unknown.
    """
    if prediction not in PREDICTIONS:
        raise ValueError(unknown("prediction", prediction, PREDICTIONS))
    if prediction == "epsilon":
        return noise
    if prediction == "sample":
        return x0
    return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * x0


def squared_error(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean squared error of each sample [B, ...], float32 [B]."""
    error = (predicted.float() - wanted).square()
    return error.mean(tuple(range(1, error.ndim)))


def min_snr_weight(prediction: str, alpha_bar: Tensor, gamma: float = 5.0) -> Tensor:
    """Return the weight min(SNR, gamma) of the error of x0, told for what is predicted, [B].

    Args:
        prediction: As in ``target``.
        alpha_bar: [B], above 0 and below 1.
        gamma: From this SNR on, lower noise counts no more.

    Raises:
        ValueError: If the prediction is unknown.
    """
    if prediction not in PREDICTIONS:
        raise ValueError(unknown("prediction", prediction, PREDICTIONS))
    snr = alpha_bar / (1 - alpha_bar)
    error_of_x0 = {"epsilon": snr, "sample": torch.ones_like(snr), "v_prediction": snr + 1}
    return snr.clamp(max=gamma) / error_of_x0[prediction]


def v_weight(alpha_bar: Tensor, largest: float = 30.0) -> Tensor:
    """Return 1 / alpha_bar, at most ``largest``: it makes of the error of eps that of v, [B]."""
    return (1 / alpha_bar).clamp(max=largest)


def unet_loss(
    predict: Callable[[Tensor, Tensor], Tensor],
    x0: Tensor,
    noise: Tensor,
    timesteps: Tensor,
    alpha_bar: Tensor,
    prediction: str = "epsilon",
    min_snr: float | None = None,
) -> Tensor:
    """Return the loss of a batch, a scalar.

    Args:
        predict: (x_t, timesteps) -> the network's prediction; it knows its captions.
        x0: Latents (or pixels), [B, ...].
        noise: Standard normal, like ``x0``.
        timesteps: int64 [B].
        alpha_bar: Of all timesteps, [T].
        prediction: As in ``target``.
        min_snr: gamma of ``min_snr_weight``, None for equal weights.

    Raises:
        ValueError: If the prediction is unknown.
    """
    here = alpha_bar[timesteps].to(x0)
    level = here.view(-1, *[1] * (x0.ndim - 1))
    wanted = target(prediction, x0, noise, level)
    error = squared_error(predict(noised(x0, noise, level), timesteps), wanted)
    if min_snr is not None:
        error = error * min_snr_weight(prediction, here, min_snr)
    return error.mean()


def logit_normal(
    count: int, generator: torch.Generator, mean: float = 0.0, std: float = 1.0
) -> Tensor:
    """Return times of a flow, sigmoid(N(mean, std^2)), float32 [B]: most in the middle.

    At either end the mean of x0 or of eps is most of the answer; what is hard lies between (Esser
    et al. 2024, section 3.1).
    """
    return (mean + std * torch.randn(count, generator=generator)).sigmoid()


def flow_loss(
    predict: Callable[[Tensor, Tensor], Tensor], x0: Tensor, noise: Tensor, times: Tensor
) -> Tensor:
    """Return the loss of a rectified flow over a batch, a scalar.

    Args:
        predict: (x_t, times) -> the velocity dx_t / dt = eps - x0.
        x0: [B, ...].
        noise: Like ``x0``.
        times: float [B]: 0 is data, 1 is noise.
    """
    t = times.to(x0).view(-1, *[1] * (x0.ndim - 1))
    return squared_error(predict((1 - t) * x0 + t * noise, times), noise - x0).mean()


@torch.no_grad()
def update_average(average: dict[str, Tensor], module: nn.Module, decay: float, steps: int) -> None:
    """Move a running average of a network's weights, in place; pictures are made with it.

    Args:
        average: One tensor for each named parameter; a copy of them at first.
        module: The network after its step.
        decay: What is kept of the average at a step, 0 ... 1.
        steps: Steps made so far: early on less is kept, (1 + steps) / (10 + steps).
    """
    share = 1 - min(decay, (1 + steps) / (10 + steps))
    for name, parameter in module.named_parameters():
        average[name].lerp_(parameter, share)
