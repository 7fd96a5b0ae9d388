"""Noise to latents: the schedule, guidance, and the DDIM and DDPM steps.

Training hid latents x_0 under noise, x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps.
Sampling begins with noise alone and goes back in ``num_steps`` jumps from t to an earlier t'. At
each the network's output is read as a guess of x_0 and of eps, and x_t' is put together from both.
What the network predicts is eps, or v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0.

All of it is float32, as in diffusers, so that pictures come out the same.

Reference:
    Ho, Jain, Abbeel 2020, arXiv 2006.11239 (DDPM), algorithm 2; Song, Meng, Ermon 2021, arXiv
    2010.02502 (DDIM), eq. 12 and 16; Ho, Salimans 2021, arXiv 2207.12598 (guidance); Salimans, Ho
    2022, arXiv 2202.00512, appendix D (v). diffusers: DDIMScheduler, DDPMScheduler.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sdlab.errors import shown

Predict = Callable[[Tensor, int], Tensor]
"""(x_t, t) -> the network's output, like x_t."""
Network = Callable[[Tensor, int, Tensor], Tensor]
"""(x_t, t, context) -> the network's output, like x_t."""
Draw = Callable[[], Tensor]
"""() -> fresh noise, like x_t."""
Step = Callable[..., tuple[Tensor, Tensor]]
"""(schedule, (t, t'), x_t, output, draw) -> x_t', x0_pred: a sampler."""


# The value of each first is what a config means that does not name it.
KNOWN: dict[str, tuple[Any, ...]] = {
    "beta_schedule": ("scaled_linear",),
    "prediction_type": ("epsilon", "v_prediction"),
    "timestep_spacing": ("leading",),
    "rescale_betas_zero_snr": (False,),
    "trained_betas": (None,),
}


@dataclass(frozen=True)
class Schedule:
    """How much signal is left at each timestep, and what the network predicts.

    Attributes:
        alpha_bar: Share of the signal's variance, float32 [1000].
        prediction_type: "epsilon" or "v_prediction".
        last: alpha_bar that DDIM's last jump ends at: that of timestep 0, or 1.
    """

    alpha_bar: Tensor
    prediction_type: str
    last: Tensor

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Schedule":
        """Return the schedule of a ``scheduler_config.json``.

        beta runs from beta_start to beta_end, its square root evenly ("scaled_linear"), and
        alpha_bar_t = (1 - beta_0) ... (1 - beta_t).

        Raises:
            ValueError: If the config asks for what no Stable Diffusion 1.x or 2.x has.
        """
        for name, known in KNOWN.items():
            if config.get(name, known[0]) not in known:
                allowed = " or ".join(map(repr, known))
                raise ValueError(
                    f"{name} of the scheduler must be {allowed}, as Stable Diffusion 1.x and 2.x"
                    f" have it, got {shown(config[name])}; load this model with sdlab.load."
                )
        start, end = config["beta_start"] ** 0.5, config["beta_end"] ** 0.5
        beta = torch.linspace(start, end, config["num_train_timesteps"]) ** 2
        alpha_bar = torch.cumprod(1 - beta, dim=0)
        last = torch.tensor(1.0) if config.get("set_alpha_to_one", True) else alpha_bar[0]
        return cls(alpha_bar, config.get("prediction_type", "epsilon"), last)

    def jumps(self, num_steps: int) -> list[tuple[int, int]]:
        """Return (t, t') of each step; the last t' is below 0, which stands for the data.

        Timesteps are a whole number apart and end at 1 (diffusers: spacing "leading", offset 1).

        Raises:
            ValueError: If ``num_steps`` is below 1, or not below the number of timesteps.
        """
        if not 1 <= num_steps < len(self.alpha_bar):
            most = len(self.alpha_bar) - 1
            raise ValueError(f"num_steps must be from 1 to {most}, got {shown(num_steps)}.")
        stride = len(self.alpha_bar) // num_steps
        timesteps = [n * stride + 1 for n in reversed(range(num_steps))]
        return [(t, t - stride) for t in timesteps]

    def read(self, x: Tensor, t: int, output: Tensor) -> tuple[Tensor, Tensor]:
        """Return x0_pred and eps_pred, like ``x``: what the network's output says of both."""
        signal, noise = self.alpha_bar[t] ** 0.5, (1 - self.alpha_bar[t]) ** 0.5
        if self.prediction_type == "epsilon":
            return (x - noise * output) / signal, output
        return signal * x - noise * output, signal * output + noise * x  # of v


def guided(unet: Network, context: Tensor, uncond: Tensor, guidance_scale: float) -> Predict:
    """Return classifier-free guidance: output = uncond + s (cond - uncond), both in one batch.

    Args:
        unet: (x, t, context) -> output.
        context: Of the prompts, [B, 77, D].
        uncond: Of the negative or empty prompts, [B, 77, D].
        guidance_scale: s. At 1 and below, only the prompts are asked, once.
    """

    def predict(x: Tensor, t: int) -> Tensor:
        if guidance_scale <= 1:
            return unet(x, t, context)
        outputs = unet(torch.cat([x, x]), t, torch.cat([uncond, context]))  # [2 B, 4, H, W]
        without, given = outputs.chunk(2)  # [B, 4, H, W] each
        return without + guidance_scale * (given - without)

    return predict


def ddim_step(
    schedule: Schedule, jump: tuple[int, int], x: Tensor, output: Tensor, draw: Draw, eta: float = 0
) -> tuple[Tensor, Tensor]:
    """Return x at t' and x0_pred: DDIM's step, which adds no noise at eta = 0 (eq. 12).

    x_t' = sqrt(a') x0_pred + sqrt(1 - a' - s^2) eps_pred + s noise
    s    = eta sqrt((1 - a') / (1 - a)) sqrt(1 - a / a')                          (eq. 16)

    with a, a' the alpha_bar of t and t'. At eta = 1 it is DDPM's step.

    Args:
        schedule: Gives alpha_bar.
        jump: (t, t').
        x: x_t, [B, 4, H, W].
        output: The network's, like ``x``.
        draw: Gives fresh noise, like ``x``.
        eta: Share of DDPM's noise, 0 to 1.
    """
    t, t_next = jump
    a = schedule.alpha_bar[t]
    a_next = schedule.alpha_bar[t_next] if t_next >= 0 else schedule.last
    x0_pred, eps_pred = schedule.read(x, t, output)
    eta_std = eta * ((1 - a_next) / (1 - a) * (1 - a / a_next)) ** 0.5
    x = a_next**0.5 * x0_pred + (1 - a_next - eta_std**2) ** 0.5 * eps_pred
    return (x + eta_std * draw() if eta else x), x0_pred


def ddpm_step(
    schedule: Schedule, jump: tuple[int, int], x: Tensor, output: Tensor, draw: Draw
) -> tuple[Tensor, Tensor]:
    """Return x at t' and x0_pred: a draw of q(x_t' | x_t, x_0 = x0_pred) (DDPM, eq. 6 and 7).

    mean     = sqrt(a') (1 - k) / (1 - a) x0_pred + sqrt(k) (1 - a') / (1 - a) x_t
    variance = (1 - a') / (1 - a) (1 - k),  with k = a / a' (1 - beta if it is one timestep)

    The arguments are those of ``ddim_step``. A t' below 0 is the data, where a' = 1.
    """
    t, t_next = jump
    a = schedule.alpha_bar[t]
    a_next = schedule.alpha_bar[t_next] if t_next >= 0 else torch.tensor(1.0)
    x0_pred, _ = schedule.read(x, t, output)
    kept = a / a_next
    mean = a_next**0.5 * (1 - kept) / (1 - a) * x0_pred + kept**0.5 * (1 - a_next) / (1 - a) * x
    variance = (1 - a_next) / (1 - a) * (1 - kept)
    return (mean + variance**0.5 * draw() if t_next >= 0 else mean), x0_pred


class Visit(NamedTuple):
    """One step of sampling: where it was, what it saw, where it went."""

    timestep: int
    x: Tensor
    """x_t, [B, 4, H, W]."""
    x0_pred: Tensor
    """The network's guess of the latents, like ``x``."""
    x_next: Tensor
    """x_t', like ``x``: the latents, after the last step."""


@torch.no_grad()
def sample(
    predict: Predict,
    schedule: Schedule,
    x: Tensor,
    num_steps: int,
    draw: Draw,
    step: Step = ddim_step,
) -> Iterator[Visit]:
    """Yield every step from noise to latents.

    Args:
        predict: (x_t, t) -> the network's output, with guidance.
        schedule: Of the noise.
        x: Noise to begin with, [B, 4, H, W], of variance 1.
        num_steps: Steps, 1 to 999.
        draw: Gives fresh noise, like ``x``.
        step: ``ddim_step``, ``partial(ddim_step, eta=...)`` or ``ddpm_step``.
    """
    for jump in schedule.jumps(num_steps):
        x_next, x0_pred = step(schedule, jump, x, predict(x, jump[0]), draw)
        yield Visit(jump[0], x, x0_pred, x_next)
        x = x_next
